"""Erases the rows that an index leads to: notifications, and what hangs on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from dlq.models import DeadLetter, DeadLetterEvent
from dlq.verbs import write_events
from notifications.messages.ids import first_id_at
from notifications.messages.words import Is, LetterEvent, Status, standing, statuses
from notifications.models import (
    NOBODY,
    Attempt,
    Digest,
    IdempotencyKey,
    Notification,
    Receipt,
    SandboxMessage,
    StaffAction,
)
from project.privacy.person import targets_of
from project.privacy.traces import FORGOTTEN, Traces
from users.recipients.models import PersonPreferences, PreferenceEvent

WHY = "The person was erased."
UNREADABLE_AT_ONCE = 20  # each has up to a megabyte
LETTERS_AT_ONCE = 500
RECEIPTS_AT_ONCE = 500
EVENTS_AT_ONCE = 1_000
STILL_OPEN = (DeadLetter.State.OPEN, DeadLetter.State.REPLAYING)
NO_LETTER = dict.fromkeys(("error", "user", "receiver_hash", "was_receiver_hash", "receiver_domain"), "")
NO_ACTION = dict.fromkeys(("reason", "before", "after", "before_hash", "after_hash"), "")
ENDED: dict[str, Any] = {
    **dict.fromkeys(("due_at", "deferred_since", "owner", "lease_until")),
    "reason": "",
    "settled_at": Now(),
}


def erase(found: Sequence[Notification], traces: Traces) -> dict[str, int]:
    """Ends what is on its way and empties the rows, which the caller has locked. Returns how many of what it erased.

    An idempotency key stays, so that a repetition is answered as before and sends nothing; it goes where it names the
    person.
    """
    ids = [row.id for row in found]
    if not ids:
        return {}
    final = statuses(Is.FINAL)
    _end([row.id for row in found if row.status not in final], Status.CANCELLED)
    _end([row.id for row in found if row.status == Status.HELD], Status.DEAD)
    Notification.objects.filter(pk__in=ids).update(**NOBODY)
    Attempt.objects.filter(notification_id__in=ids).update(error="")
    DeadLetterEvent.objects.filter(notification_id__in=ids).update(error="")
    SandboxMessage.objects.filter(notification_id__in=ids).delete()
    Receipt.objects.filter(notification_id__in=ids).delete()
    StaffAction.objects.filter(notification_id__in=ids).update(**NO_ACTION)
    keys = IdempotencyKey.objects.filter(notification_id__in=ids)
    keys.filter(pk__in=[key.pk for key in keys if traces.are_in(key.key)]).delete()
    keys.update(body_hash="")
    letters = _erase(list(DeadLetter.objects.filter(notification_id__in=ids)))
    return {"notifications": len(ids)} | ({"dead letters": letters} if letters else {})


def erase_letters(username: str, hashes: Sequence[str], before: datetime) -> int:
    """Erases letters that name the person though their notification does not. Returns how many there were.

    They are those whose receiver was corrected from or to an address of the person.
    """
    names = Q(user=username) & ~Q(user="") | Q(receiver_hash__in=hashes, user="") & ~Q(receiver_hash="")
    letters = DeadLetter.objects.filter(notification_id__lt=first_id_at(before))
    erased = _erase(list(letters.filter(names)[:LETTERS_AT_ONCE]))
    was = letters.filter(~Q(was_receiver_hash=""), was_receiver_hash__in=hashes)
    return erased + was.update(was_receiver_hash="")


def erase_digests(username: str, hashes: Sequence[str], before: datetime) -> int:
    """Removes the digests of the person. Returns how many there were.

    One that was opened before the request may have members of whoever has come back since: it stays until they ended.
    """
    digests = Digest.objects.filter(Q(username=username) & ~Q(username="") | Q(username="", receiver_hash__in=hashes))
    members = Notification.objects.filter(digest_id=OuterRef("pk")).exclude(status__in=statuses(Is.FINAL))
    return digests.filter(~Exists(members), opened_at__lt=before).delete()[0]


def erase_unreadable(after: int, traces: Traces) -> tuple[int | None, Mapping[str, int]]:
    """Empties the bytes of the next records that could not be read, where they name the person.

    Returns the last letter's number, or None where there are no more, and how many were emptied.
    """
    letters = DeadLetter.objects.filter(notification=None, pk__gt=after).exclude(raw=None).order_by("pk")
    found = list(letters[:UNREADABLE_AT_ONCE])
    named = [letter for letter in found if traces.are_in_record(bytes(letter.raw or b"").decode(errors="replace"))]
    DeadLetter.objects.filter(pk__in=[letter.pk for letter in named]).update(raw=None)
    _erase(named)
    last = found[-1].pk if len(found) == UNREADABLE_AT_ONCE else None
    return last, {"unreadable records": len(named)} if named else {}


def erase_receipts(hashes: Sequence[str]) -> tuple[bool, int]:
    """Erases the next receipts of these addresses that are of no notification. Returns whether there may be more.

    Those that have one go with it.
    """
    mine = Receipt.objects.filter(receiver_hash__in=hashes, notification_id__isnull=True)
    found = list(mine.values_list("pk", flat=True)[:RECEIPTS_AT_ONCE])
    return len(found) == RECEIPTS_AT_ONCE, Receipt.objects.filter(pk__in=found).delete()[0]


def erase_actions_on(username: str) -> int:
    """Erases from the staff actions what was done to the person in the directory. Returns how many there were."""
    actions = StaffAction.objects.filter(target__in=targets_of(username))
    return actions.update(target=FORGOTTEN, **NO_ACTION)


def erase_choices(username: str) -> tuple[bool, Mapping[str, int]]:
    """Deletes what somebody chose, and the next events about it. Returns whether there are more, and how many went."""
    chosen, _ = PersonPreferences.objects.filter(pk=username).delete()
    events = PreferenceEvent.objects.filter(username=username).order_by("pk")
    found = list(events.values_list("pk", flat=True)[:EVENTS_AT_ONCE])
    PreferenceEvent.objects.filter(pk__in=found).delete()
    count = chosen + len(found)
    return len(found) == EVENTS_AT_ONCE, {"preferences": count} if count else {}


def _end(ids: Sequence[UUID], status: Status) -> None:
    Notification.objects.filter(pk__in=ids).update(**standing(status), **ENDED)


def _erase(letters: Sequence[DeadLetter]) -> int:
    """Closes letters that are open, and empties all. Returns how many there were."""
    DeadLetter.objects.filter(pk__in=[letter.pk for letter in letters]).update(**NO_LETTER)
    discarded = [letter.pk for letter in letters if letter.discard_reason]
    DeadLetter.objects.filter(pk__in=discarded).update(discard_reason=WHY)
    is_open = [letter for letter in letters if letter.state in STILL_OPEN]
    closed = DeadLetter.objects.filter(pk__in=[letter.pk for letter in is_open])
    closed.update(state=DeadLetter.State.DISCARDED, discard_reason=WHY, changed_at=Now())
    write_events(LetterEvent.DISCARDED, is_open)
    return len(letters)
