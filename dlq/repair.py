"""Corrects the notification of a dead letter before its replay, or a record that could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

import msgspec
from django.db.models.functions import Now

from dlq.mending.receivers import Readdressed, readdress, readdressed
from dlq.models import DeadLetter
from dlq.verbs import REPLAYABLE, Skipped, State, target, targets_of, why_skipped, write_events
from notifications.intake.accept import OURS, accept
from notifications.ledger.columns import message_of_row
from notifications.messages.draft import Draft, read_request
from notifications.messages.explain import Invalid
from notifications.messages.fields import LENGTHS
from notifications.messages.message import MAX_RECORD_BYTES
from notifications.messages.words import LetterEvent, StaffVerb
from notifications.models import Category, Notification
from project.desk.audit import (
    Change,
    change_of_receiver,
    expect,
    last_actions,
    one_at_a_time,
    printed,
    write_actions,
)
from users.people.directory import has_device

REPAIRABLE = ("receiver", "subject", "message", "html")
CORRECTIONS = (StaffVerb.REPAIR, StaffVerb.REDIRECT)
REQUEST_FIELDS = frozenset(field.name for field in msgspec.structs.fields(Draft))


class NotRepaired(Exception):
    """The letter is not open any more, or a sender has its row locked. The text is a sentence for staff."""

    def __init__(self, skipped: Skipped) -> None:
        super().__init__(str(skipped))


def repair(
    letter_id: int,
    actor: str,
    changes: Mapping[str, str],
    *,
    generation: int | None = None,
    seen: datetime | None = None,
    reason: str = "",
) -> list[str]:
    """Corrects the notification of an open letter.

    `changes` maps names out of REPAIRABLE to texts. With `generation`, the letter must not have been replayed since;
    with `seen`, which is its `changed_at`, nobody must have changed it. Another receiver that is no device of the
    person needs a reason. Returns the names of the fields that changed. Raises Invalid, whose errors are those of the
    intake, and NotRepaired. The staff actions name fields of texts and never their content; of receivers they have
    both, masked and hashed.
    """
    with one_at_a_time():
        letter = _take(letter_id, generation, seen)
        notification = cast("Notification", letter.notification)
        changed = {name: text for name, text in changes.items() if text != getattr(notification, name)}
        if not changed:
            return []
        if is_sensitive(notification):
            why = f"{notification.category} is sensitive: nobody may change this."
            raise Invalid({name: [why] for name in changed})
        check(notification, changed)
        redirected = _redirection(notification, changed.get("receiver"), reason)
        row = Notification.objects.filter(pk=notification.pk, status__in=REPLAYABLE, generation=notification.generation)
        texts = {name: text for name, text in changed.items() if name != "receiver"}
        expect(1, row.update(**texts) if texts else 1)
        if "receiver" in changed:
            readdress([_readdressed(letter.pk, notification, changed["receiver"])])
        expect(1, DeadLetter.objects.filter(pk=letter.pk, state=State.OPEN).update(changed_at=Now()))
        if redirected:
            write_actions(actor, StaffVerb.REDIRECT, targets_of([letter]), reason=reason, change=redirected)
        if texts:
            note = f"changed {', '.join(texts)}"
            write_actions(actor, StaffVerb.REPAIR, targets_of([letter]), note=note, reason=reason)
    return list(changed)


def is_sensitive(notification: Notification) -> bool:
    """Returns True where nobody may change the notification: its category hides what it contains."""
    return notification.category in Category.sensitive_names()


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
    [accepted] = accept([draft], client=client, keys=[target(letter_id)], keys_of=OURS).ids
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


def _take(letter_id: int, generation: int | None, seen: datetime | None) -> DeadLetter:
    chosen = DeadLetter.objects.filter(pk=letter_id, state=State.OPEN, notification__status__in=REPLAYABLE)
    as_seen = chosen.filter(notification__generation=generation) if generation is not None else chosen
    as_seen = as_seen.filter(changed_at=seen) if seen is not None else as_seen
    locked = as_seen.select_related("notification").select_for_update(skip_locked=True, of=("self", "notification"))
    letter = locked.first()
    if letter is not None:
        return letter
    [skipped] = why_skipped([letter_id])
    current = chosen.first()
    raise NotRepaired(_changed_meanwhile(current, seen) if current else skipped)


def _changed_meanwhile(letter: DeadLetter, seen: datetime | None) -> Skipped:
    action = last_actions([target(letter.pk)]).get(target(letter.pk))
    if seen is not None and letter.changed_at != seen and action and action.action in CORRECTIONS:
        return Skipped(letter.pk, f"was corrected by {action.actor} at {printed(action.at)}: look at what it is now")
    return Skipped(letter.pk, "was replayed meanwhile and came back: look at it again")


def _redirection(notification: Notification, receiver: str | None, reason: str) -> Change | None:
    """Returns the change of the receiver, for the record; None where it stays. Raises Invalid without a reason.

    It is flagged where the new receiver is no device of the person, or nobody knows a person.
    """
    if receiver is None:
        return None
    of_the_person = has_device(notification.user, notification.channel, receiver)
    if not of_the_person and not reason.strip():
        whose = "no device of this person" if notification.user else "no device of a known person"
        raise Invalid({"reason": [f"This is {whose}: say why it goes there. The record keeps it, and is flagged."]})
    return change_of_receiver(notification.channel, notification.receiver, receiver, flagged=not of_the_person)


def _readdressed(letter_id: int, notification: Notification, receiver: str) -> Readdressed:
    was_hash, channel, generation = notification.receiver_hash, notification.channel, notification.generation
    return readdressed(letter_id, notification.pk, generation, channel, receiver, was_hash=was_hash)


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
