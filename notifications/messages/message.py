"""The Message: a notification as it travels, from the intake through Kafka into the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec

from notifications.channels import channel_class
from notifications.messages.explain import explain, first_of
from notifications.messages.fields import Addressed, Carried, Content
from notifications.messages.ids import new_ids, receiver_hash, time_of
from notifications.messages.rules import NUL, is_right_record, record_problems
from notifications.messages.topics import topic_of

MAX_RECORD_BYTES = 900_000


class Unreadable(Exception):
    """A Kafka record that is not a notification; the text says why, for support staff."""


class Message(Carried, frozen=True, kw_only=True, omit_defaults=True):
    """The value of a Kafka record, and the first part of its row in the ledger.

    A record leaves out what has its default, so a default never changes: records that wait in Kafka mean the old one.
    """

    @property
    def receiver_hash(self) -> str:
        return receiver_hash(self.channel, self.receiver)

    @property
    def topic(self) -> str:
        return topic_of(self.channel, self.priority)

    def to_record(self) -> bytes:
        return _encode(self)


class _OnlyId(msgspec.Struct):
    id: UUID


_encode = msgspec.json.Encoder().encode
_decode_message = msgspec.json.Decoder(Message).decode
_decode_id = msgspec.json.Decoder(_OnlyId).decode
# What `new_message` spells out, for a call with names is six times as fast as one with a dict; and what it does not.
_SPELLED_OUT = {"message", "subject", "html", "category", "priority", "send_at", "expires_at", "reference"}
_OTHERS = tuple(name for name in Content.__struct_fields__ if name not in _SPELLED_OUT)


def new_message(draft: Addressed, *, client: str, channel: str, receiver: str, id: UUID | None = None) -> Message:
    """Returns the message of a checked draft, with its receiver resolved."""
    id = id or new_ids(1)[0]
    takes = channel_class(channel)
    message = Message(
        id=id,
        channel=channel,
        receiver=receiver,
        user=draft.user or "",
        client=client,
        accepted_at=time_of(id),
        message=draft.message,
        subject=draft.subject if takes.takes_subject else "",
        html=draft.html if takes.takes_html else "",
        category=draft.category,
        priority=draft.priority,
        send_at=draft.send_at and draft.send_at.astimezone(UTC),
        expires_at=_end_of(draft) if draft.expires_at or draft.latest_at else None,
        reference=draft.reference,
    )
    return msgspec.structs.replace(message, **{name: getattr(draft, name) for name in _OTHERS}) if _OTHERS else message


def _end_of(draft: Addressed) -> datetime:
    """Returns the time after which a draft is not sent, whatever it is called."""
    return min(moment for moment in (draft.expires_at, draft.latest_at) if moment).astimezone(UTC)


def from_record(value: bytes | None) -> Message:
    """Returns the message in the value of a Kafka record.

    Raises Unreadable for whatever the ledger could not store or send.
    """
    try:
        message = _decode_message(value or b"")
    except msgspec.ValidationError as error:
        raise Unreadable(first_of(explain(value, error, Message)[1])) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    if NUL in (value or b"") or not is_right_record(message):
        for field, why in record_problems(message):
            raise Unreadable(f"{field}: {why}")
    return message


def id_in(value: bytes) -> UUID | None:
    """Returns the id in a record that may otherwise be unreadable, or None."""
    try:
        return _decode_id(value).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
