"""Correcting what a dead letter holds: a notification before its replay, or a record that could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import msgspec
from django.db.models.functions import Now

from dlq.models import DeadLetter
from dlq.verbs import STOPPED, Refusal, State, refusals, target, targets_of, write_events
from notifications.intake.accept import OURS, accept
from notifications.messages.message import MAX_RECORD_BYTES, Draft, Invalid, Message, read_request, receiver_hash
from notifications.messages.words import Priority
from notifications.models import Notification
from project.desk.audit import expect, one_at_a_time, record

REPAIRABLE = ("receiver", "subject", "message", "html")
REQUEST_FIELDS = frozenset(field.name for field in msgspec.structs.fields(Draft))


class Refused(Exception):
    """Somebody else was first, or a sender holds the row; `refusal` says so."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(str(refusal))
        self.refusal = refusal


def repair(letter_id: int, actor: str, changes: Mapping[str, str], *, generation: int | None = None) -> list[str]:
    """Correct the notification of an open letter; the names of the fields that changed.

    `changes` holds some of REPAIRABLE. With `generation`, only if it was not replayed since. Raises Invalid with
    complaints by field, by the rules of the intake, and Refused where the letter is not open any more. The record
    names the fields, never their content.
    """
    with one_at_a_time():
        letter = _take(letter_id, generation)
        notification = cast("Notification", letter.notification)
        changed = {name: text for name, text in changes.items() if text != getattr(notification, name)}
        if not changed:
            return []
        check(notification, changed)
        row = Notification.objects.filter(pk=notification.pk, status__in=STOPPED, generation=notification.generation)
        expect(1, row.update(**changed, **_new_hash(notification.channel, changed)))
        expect(1, DeadLetter.objects.filter(pk=letter.pk, state=State.OPEN).update(changed_at=Now()))
        record(actor, "repair", targets_of([letter]), note=f"changed {', '.join(changed)}")
    return list(changed)


def check(notification: Notification, changed: Mapping[str, str]) -> None:
    """Raises Invalid where the notification with these changes would not be accepted by the intake."""
    content = {name: changed.get(name, getattr(notification, name)) for name in REPAIRABLE}
    said = {"type": notification.channel} | {name: text for name, text in content.items() if text}
    read_request(_json({"message": ""} | said))
    if len(_as_message(notification, content).to_record()) > MAX_RECORD_BYTES:
        raise Invalid({"message": [f"The whole record must have at most {MAX_RECORD_BYTES:,} bytes."]})


def repair_unreadable(letter_id: int, actor: str, text: str) -> UUID:
    """Accept the corrected record of a letter without a notification as a new one, and resolve the letter.

    `text` is JSON: a request as for POST /notification, or a Kafka record. Raises Invalid, Refused, and what
    `accept` raises. The letter's number is the idempotency key, so that two people, or a second try after
    a failure in between, make one notification.
    """
    letter = DeadLetter.objects.filter(pk=letter_id, state=State.OPEN, notification=None).first()
    if letter is None:
        raise Refused(refusals([letter_id])[0])
    draft = read_request(_as_request(text))
    client = client_of(bytes(letter.raw or b""))
    [accepted] = accept([draft], client=client, keys=[target(letter_id)], keys_of=OURS)
    with one_at_a_time():
        still_open = DeadLetter.objects.filter(pk=letter_id, state=State.OPEN)
        if still_open.update(state=State.RESOLVED, changed_at=Now()) != 1:
            raise Refused(refusals([letter_id])[0])
        write_events("replayed", [letter], accepted)
        record(actor, "repair", [(target(letter_id), accepted)], note=f"accepted as {accepted}")
    return accepted


def raw_text(letter: DeadLetter) -> str:
    """The record's bytes as a person can read them; what is not UTF-8 or not text is shown as escapes."""
    text = bytes(letter.raw or b"").decode("utf-8", errors="backslashreplace")
    return text.replace("\x00", "\\x00")


def client_of(raw: bytes) -> str:
    """The client an unreadable record names, as far as it can be read."""
    try:
        said = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "support"
    client = said.get("client") if isinstance(said, dict) else None
    return client if isinstance(client, str) and 1 <= len(client) <= 100 and client.isprintable() else "support"


def _take(letter_id: int, generation: int | None) -> DeadLetter:
    chosen = DeadLetter.objects.filter(pk=letter_id, state=State.OPEN, notification__status__in=STOPPED)
    if generation is not None:
        chosen = chosen.filter(notification__generation=generation)
    locked = chosen.select_related("notification").select_for_update(skip_locked=True, of=("self", "notification"))
    letter = locked.first()
    if letter is not None:
        return letter
    [refusal] = refusals([letter_id])
    current = DeadLetter.objects.filter(pk=letter_id, state=State.OPEN, notification__status__in=STOPPED).exists()
    raise Refused(Refusal(letter_id, "was replayed meanwhile and came back: look at it again") if current else refusal)


def _new_hash(channel: str, changed: Mapping[str, str]) -> dict[str, str]:
    return {"receiver_hash": receiver_hash(channel, changed["receiver"])} if "receiver" in changed else {}


def _as_message(notification: Notification, content: Mapping[str, str]) -> Message:
    return Message(
        id=notification.pk,
        generation=notification.generation,
        channel=notification.channel,
        user=notification.user,
        client=notification.client,
        reference=notification.reference,
        category=notification.category,
        priority=cast("Priority", notification.priority),
        accepted_at=notification.accepted_at,
        receiver=content["receiver"],
        subject=content["subject"],
        message=content["message"],
        html=content["html"],
    )


def _as_request(text: str) -> bytes:
    """The corrected text as the body of a request; a Kafka record loses what only a record has."""
    try:
        said = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text.encode(errors="replace")
    if not (isinstance(said, dict) and "channel" in said):
        return text.encode()
    said.setdefault("type", said["channel"])
    fields = {name: value for name, value in said.items() if name in REQUEST_FIELDS and value is not None}
    if "receiver" in fields:
        fields.pop("user", None)
    return _json(fields)


def _json(said: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(said)
