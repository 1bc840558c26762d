"""Corrects the notification of a dead letter before its replay, or a record that could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

import msgspec
from django.db.models.functions import Now

from dlq.models import DeadLetter
from dlq.verbs import REPLAYABLE, Skipped, State, target, targets_of, why_skipped, write_events
from notifications.intake.accept import OURS, accept
from notifications.ledger.columns import message_of_row
from notifications.messages.draft import Draft, read_request
from notifications.messages.explain import Invalid
from notifications.messages.fields import LENGTHS
from notifications.messages.ids import receiver_hash
from notifications.messages.message import MAX_RECORD_BYTES
from notifications.messages.words import LetterEvent, StaffVerb
from notifications.models import Notification
from project.desk.audit import expect, one_at_a_time, write_actions

REPAIRABLE = ("receiver", "subject", "message", "html")
REQUEST_FIELDS = frozenset(field.name for field in msgspec.structs.fields(Draft))


class NotRepaired(Exception):
    """The letter is not open any more, or a sender has its row locked. The text is a sentence for staff."""

    def __init__(self, skipped: Skipped) -> None:
        super().__init__(str(skipped))


def repair(letter_id: int, actor: str, changes: Mapping[str, str], *, generation: int | None = None) -> list[str]:
    """Corrects the notification of an open letter.

    `changes` maps names out of REPAIRABLE to texts. With `generation`, the letter must not have been replayed since.
    Returns the names of the fields that changed. Raises Invalid, whose errors are those of the intake, and NotRepaired.
    The staff action names the fields and never their content.
    """
    with one_at_a_time():
        letter = _take(letter_id, generation)
        notification = cast("Notification", letter.notification)
        changed = {name: text for name, text in changes.items() if text != getattr(notification, name)}
        if not changed:
            return []
        check(notification, changed)
        row = Notification.objects.filter(pk=notification.pk, status__in=REPLAYABLE, generation=notification.generation)
        expect(1, row.update(**changed, **_new_hash(notification.channel, changed)))
        expect(1, DeadLetter.objects.filter(pk=letter.pk, state=State.OPEN).update(changed_at=Now()))
        write_actions(actor, StaffVerb.REPAIR, targets_of([letter]), note=f"changed {', '.join(changed)}")
    return list(changed)


def check(notification: Notification, changed: Mapping[str, str]) -> None:
    """Checks the notification with these changes by the rules of the intake. Raises Invalid."""
    content = {name: changed.get(name, getattr(notification, name)) for name in REPAIRABLE}
    given = {"type": notification.channel} | {name: text for name, text in content.items() if text}
    read_request(_json({"message": ""} | given))
    if len(message_of_row(notification, **content).to_record()) > MAX_RECORD_BYTES:
        raise Invalid({"message": [f"The whole record must have at most {MAX_RECORD_BYTES:,} bytes."]})


def repair_unreadable(letter_id: int, actor: str, text: str) -> UUID:
    """Accepts a corrected record as a new notification, and resolves its letter.

    `text` is JSON: the body of POST /notification, or the value of a Kafka record. Returns the id of the new
    notification. Raises Invalid, NotRepaired, and what `accept` raises. The letter's number is the idempotency key, so
    that two people, or a second try after a failure, make one notification.
    """
    letter = DeadLetter.objects.filter(pk=letter_id, state=State.OPEN, notification=None).first()
    if letter is None:
        raise NotRepaired(why_skipped([letter_id])[0])
    draft = read_request(_as_request(text))
    client = client_of(bytes(letter.raw or b""))
    [accepted] = accept([draft], client=client, keys=[target(letter_id)], keys_of=OURS)
    with one_at_a_time():
        still_open = DeadLetter.objects.filter(pk=letter_id, state=State.OPEN)
        if still_open.update(state=State.RESOLVED, changed_at=Now()) != 1:
            raise NotRepaired(why_skipped([letter_id])[0])
        write_events(LetterEvent.REPLAYED, [letter], accepted)
        write_actions(actor, StaffVerb.REPAIR, [(target(letter_id), accepted)], note=f"accepted as {accepted}")
    return accepted


def raw_text(letter: DeadLetter) -> str:
    """Returns the bytes of the record as text. Bytes that are not UTF-8, and NUL, become escapes."""
    text = bytes(letter.raw or b"").decode("utf-8", errors="backslashreplace")
    return text.replace("\x00", "\\x00")


def client_of(raw: bytes) -> str:
    """Returns the client that an unreadable record names, or "support" where it names none."""
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "support"
    client = found.get("client") if isinstance(found, dict) else None
    return (
        client
        if isinstance(client, str) and 1 <= len(client) <= LENGTHS["client"] and client.isprintable()
        else "support"
    )


def _take(letter_id: int, generation: int | None) -> DeadLetter:
    chosen = DeadLetter.objects.filter(pk=letter_id, state=State.OPEN, notification__status__in=REPLAYABLE)
    if generation is not None:
        chosen = chosen.filter(notification__generation=generation)
    locked = chosen.select_related("notification").select_for_update(skip_locked=True, of=("self", "notification"))
    letter = locked.first()
    if letter is not None:
        return letter
    [skipped] = why_skipped([letter_id])
    current = DeadLetter.objects.filter(pk=letter_id, state=State.OPEN, notification__status__in=REPLAYABLE).exists()
    again = Skipped(letter_id, "was replayed meanwhile and came back: look at it again")
    raise NotRepaired(again if current else skipped)


def _new_hash(channel: str, changed: Mapping[str, str]) -> dict[str, str]:
    return {"receiver_hash": receiver_hash(channel, changed["receiver"])} if "receiver" in changed else {}


def _as_request(text: str) -> bytes:
    """Returns the corrected text as the body of a request. A Kafka record loses the fields that only records have."""
    try:
        given = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text.encode(errors="replace")
    if not (isinstance(given, dict) and "channel" in given):
        return text.encode()
    given.setdefault("type", given["channel"])
    fields = {name: value for name, value in given.items() if name in REQUEST_FIELDS and value is not None}
    if "receiver" in fields:
        fields.pop("user", None)
    return _json(fields)


def _json(value: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(value)
