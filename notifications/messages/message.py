"""The frozen Message, and the one validator for its three doors: single request, batch request, Kafka record.

Bytes are parsed here and nowhere else: strict types, nothing trimmed, every complaint names its field.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import msgspec
import uuid_utils.compat
from django.conf import settings
from msgspec import UNSET, Meta, UnsetType

from notifications.channels import channel_class, channel_names
from notifications.channels.base import Channel
from notifications.messages.explain import Errors, explain, explain_batch
from notifications.messages.ids import receiver_hash, time_of
from notifications.messages.topics import topic_of
from notifications.messages.words import Priority

MAX_BATCH = 5_000
MAX_RECORD_BYTES = 900_000
LAST_YEAR = 9000  # of an expiry: near 9999 a change of zone overflows

Moment = Annotated[datetime, Meta(tz=True)]
LINE_BREAK = re.compile(r"[\r\n]")
LENGTHS = {"receiver": 1024, "subject": 255, "user": 150, "client": 100, "category": 100, "reference": 255}
SHORTEST_LENGTH = min(LENGTHS.values())


class Invalid(Exception):
    """Refused input; `errors` is the body of the 400, in DRF's shape."""

    def __init__(self, errors: dict[str, Any]) -> None:
        super().__init__(str(errors))
        self.errors = errors


class Unavailable(Exception):
    """Neither Kafka nor the outbox could take it; `retry_after` in seconds."""

    retry_after = 5


class Unreadable(Exception):
    """A Kafka record that is not a notification; the text says why, for support staff."""


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a caller may say in a request, with the types it must have."""

    message: str
    type: str | UnsetType = UNSET
    receiver: str | UnsetType = UNSET
    user: str | UnsetType = UNSET
    subject: str = ""
    html: str = ""
    category: str = "default"
    priority: Priority = "transactional"
    expires_at: Moment | None = None
    reference: str = ""

    def body_hash(self) -> str:
        """Equal for requests that say the same, however their JSON is spaced or ordered."""
        return sha256(_encode(self)).hexdigest()

    @property
    def key(self) -> str | None:
        return None


class BatchDraft(Draft, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An item of a batch, which may carry its own idempotency key."""

    idempotency_key: str | UnsetType = UNSET

    def body_hash(self) -> str:
        return sha256(_encode(msgspec.structs.replace(self, idempotency_key=UNSET))).hexdigest()

    @property
    def key(self) -> str | None:
        return None if self.idempotency_key is UNSET else self.idempotency_key


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A notification as it travels: the value of a Kafka record, and the first part of its ledger row."""

    v: Literal[1] = 1
    id: UUID
    generation: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    channel: str
    receiver: str
    subject: str = ""
    message: str
    html: str = ""
    user: str = ""
    client: str
    reference: str = ""
    category: str = "default"
    priority: Priority = "transactional"
    accepted_at: Moment
    expires_at: Moment | None = None

    @property
    def receiver_hash(self) -> str:
        return receiver_hash(self.channel, self.receiver)

    @property
    def topic(self) -> str:
        return topic_of(self.channel, self.priority)

    def to_record(self) -> bytes:
        return _encode(self)


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    notifications: list[msgspec.Raw]


class _OnlyId(msgspec.Struct):
    id: UUID


_encode = msgspec.json.Encoder().encode
_decode_draft = msgspec.json.Decoder(Draft).decode
_decode_item = msgspec.json.Decoder(BatchDraft).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode
_decode_message = msgspec.json.Decoder(Message).decode
_decode_id = msgspec.json.Decoder(_OnlyId).decode

D = TypeVar("D", bound=Draft)


def read_request(body: bytes) -> Draft:
    """The body of POST /notification. Raises Invalid."""
    draft, errors = _read_draft(body, _decode_draft, Draft)
    if draft is None or errors:
        raise Invalid(errors)
    return draft


def read_batch(body: bytes) -> list[BatchDraft]:
    """The body of POST /notifications. Raises Invalid, with complaints by the position of the item."""
    try:
        items = _decode_batch(body).notifications
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(explain_batch(body, error)) from None
    if not 1 <= len(items) <= MAX_BATCH:
        raise Invalid({"notifications": [f"Must hold 1 to {MAX_BATCH:,} items; it holds {len(items):,}."]})
    drafts, errors = [], {}
    for position, item in enumerate(items):
        draft, found = _read_draft(item, _decode_item, BatchDraft)
        if draft is None or found:
            errors[str(position)] = found
        else:
            drafts.append(draft)
    if errors:
        raise Invalid({"notifications": errors})
    return drafts


def from_record(value: bytes | None) -> Message:
    """The value of a Kafka record. Raises Unreadable for whatever the ledger could not hold or send."""
    try:
        message = _decode_message(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(str(error)) from None
    for field, why in _problems(message, message.channel, message.receiver):
        raise Unreadable(f"{field}: {why}")
    for moment in (message.accepted_at, message.expires_at):
        if moment and not 2000 <= moment.year <= LAST_YEAR:
            raise Unreadable("A time is out of range.")
    return message


def id_in(value: bytes) -> UUID | None:
    """The id in a record that may otherwise be unreadable."""
    try:
        return _decode_id(value).id
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def new_message(draft: Draft, *, client: str, channel: str, receiver: str, id: UUID | None = None) -> Message:
    """The message of a checked draft, with its receiver resolved."""
    id = id or uuid_utils.compat.uuid7()
    takes = channel_class(channel)
    return Message(
        id=id,
        channel=channel,
        receiver=receiver,
        subject=draft.subject if takes.takes_subject else "",
        message=draft.message,
        html=draft.html if takes.takes_html else "",
        user="" if draft.user is UNSET else draft.user,
        client=client,
        reference=draft.reference,
        category=draft.category,
        priority=draft.priority,
        accepted_at=time_of(id),
        expires_at=draft.expires_at.astimezone(UTC) if draft.expires_at else None,
    )


def content_problems(draft: Draft, channel: str, receiver: str) -> Errors:
    """What is wrong with a draft once its channel and receiver are known (addressed by user)."""
    return _gather(_problems(draft, channel, receiver))


def _read_draft(body: Any, decode: Callable[[Any], D], kind: type[D]) -> tuple[D | None, Errors]:
    try:
        draft = decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return None, explain(body, error, kind)
    return draft, _gather(_draft_problems(draft))


def _gather(problems: Iterator[tuple[str, str]]) -> Errors:
    errors: Errors = {}
    for field, why in problems:
        errors.setdefault(field, []).append(why)
    return errors


def _draft_problems(draft: Draft) -> Iterator[tuple[str, str]]:
    if draft.key is not None and not 1 <= len(draft.key) <= 255:
        yield "idempotency_key", "Must have 1 to 255 characters."
    if draft.key and "\x00" in draft.key:
        yield "idempotency_key", "Must not contain NUL."
    if draft.expires_at and draft.expires_at.year >= LAST_YEAR:  # as UTC it may be a day later
        yield "expires_at", f"Must be before the year {LAST_YEAR}."
    yield from _address_problems(draft)
    yield from _problems(
        draft,
        None if draft.type is UNSET else draft.type,
        None if draft.receiver is UNSET else draft.receiver,
    )
    if draft.type is not UNSET and draft.type in settings.CHANNELS:
        takes = channel_class(draft.type)
        if draft.subject and not takes.takes_subject:
            yield "subject", f"{draft.type} takes no subject."
        if draft.html and not takes.takes_html:
            yield "html", f"{draft.type} takes no html."


def _address_problems(draft: Draft) -> Iterator[tuple[str, str]]:
    if draft.user is not UNSET:
        if draft.receiver is not UNSET:
            yield "receiver", "Must not be given together with user."
        if not 1 <= len(draft.user) <= LENGTHS["user"]:
            yield "user", f"Must have 1 to {LENGTHS['user']} characters."
    elif draft.receiver is UNSET:
        yield "receiver", "This field is required, or user instead of it."
    elif draft.type is UNSET:
        yield "type", "This field is required."


def _text_problems(said: Draft | Message) -> Iterator[tuple[str, str]]:
    texts = {
        "receiver": said.receiver or "",
        "subject": said.subject,
        "user": said.user or "",
        "client": said.client if isinstance(said, Message) else "",
        "reference": said.reference,
        "category": said.category,
    }
    short = "".join(texts.values())
    # Nearly always one look at all texts is enough; this runs for every request and every record.
    if len(short) <= SHORTEST_LENGTH and "\x00" not in short + said.message + said.html:
        return
    for field, text in (*texts.items(), ("message", said.message), ("html", said.html)):
        if "\x00" in text:
            yield field, "Must not contain NUL."
    for field, longest in LENGTHS.items():
        if len(texts[field]) > longest:
            yield field, f"Must have at most {longest:,} characters."


def _problems(said: Draft | Message, channel: str | None, receiver: str | None) -> Iterator[tuple[str, str]]:
    """What any door refuses: lengths, characters, receivers. Yields (field, why)."""
    yield from _text_problems(said)
    if said.subject and LINE_BREAK.search(said.subject):
        yield "subject", "Must not contain a line break."
    if not said.message or said.message.isspace():
        yield "message", "Must not be empty."
    if not said.category:
        yield "category", "Must not be empty."
    if channel is None:
        return
    if channel not in settings.CHANNELS:
        yield "type", f"Must be one of {', '.join(channel_names())}."
        return
    rules = channel_class(channel)
    for field in ("message", "html"):
        if rules.too_long(getattr(said, field)):
            yield field, f"Must have at most {rules.max_message} for {channel}."
    if receiver is not None:
        yield from _receiver_problems(said, rules, receiver)


def _receiver_problems(said: Draft | Message, rules: type[Channel], receiver: str) -> Iterator[tuple[str, str]]:
    """By length first: what a rule costs may grow with it."""
    at_intake = isinstance(said, Draft)  # a record was accepted, perhaps under other settings
    if len(receiver) > LENGTHS["receiver"]:
        if not said.receiver:  # one that was given is complained of among the texts; this is a device's
            yield "receiver", f"Must have at most {LENGTHS['receiver']:,} characters."
    elif problem := rules.receiver_problem(receiver) or (rules.intake_problem(receiver) if at_intake else None):
        yield "receiver", problem
