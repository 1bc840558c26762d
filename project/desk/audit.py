"""Carries out what staff do in the admin: one verb at a time, each written down with who, what and when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from notifications.channels import masked
from notifications.messages.ids import receiver_hash
from notifications.messages.words import StaffVerb
from notifications.models import Notification, StaffAction
from project.database.dialects import Dialect, Statement, as_json, fetch
from project.logs import events

MOST_AT_ONCE = 5_000
LONGEST_TEXT = 1_000  # characters of a note or a reason
LONGEST_CHANGE = 255  # characters of what something was before or after
_STAFF_LOCK = 0x5AFF
COMMAND_LINE = "manage.py"  # the actor of what was done there


@dataclass(frozen=True, slots=True)
class Change:
    """What a verb changed from and to: masked to be read, and hashed to be found. `flagged`: somebody should look."""

    before: str = ""
    after: str = ""
    before_hash: str = ""
    after_hash: str = ""
    flagged: bool = False


def change_of_receiver(channel: str, before: str, after: str, *, flagged: bool = False) -> Change:
    """Returns the change of an address as the record keeps it. Empty means that there was or is none."""
    shown, shown_after = (masked(channel, each)[:LONGEST_CHANGE] if each else "" for each in (before, after))
    hashed, hashed_after = (receiver_hash(channel, each) if each else "" for each in (before, after))
    return Change(shown, shown_after, hashed, hashed_after, flagged)


class OutOfStep(RuntimeError):
    """An update changed another number of rows than were locked for it. It rolls the transaction back."""


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Opens a transaction in which no other person's verb runs, so that the second person sees what the first did.

    This lock is the only place where a verb waits. Inside it, rows locked by a sender are skipped, so no deadlock is
    possible. SQLite has one writer at a time anyway.
    """
    with transaction.atomic():
        if connection.features.has_select_for_update:
            fetch("SELECT pg_advisory_xact_lock(%s)", [_STAFF_LOCK])
        yield


def write_actions(
    actor: str,
    action: StaffVerb,
    targets: Sequence[tuple[str, UUID | None]],
    note: str = "",
    *,
    reason: str = "",
    change: Change | None = None,
    run_id: int | None = None,
) -> None:
    """Writes a staff action for each (target, notification id), in one statement, inside the verb's transaction.

    `note` is what was done, `reason` why, in the person's own words.
    """
    rows = [{"target": target, "id": notification_id} for target, notification_id in targets]
    about = {"note": note[:LONGEST_TEXT], "reason": reason[:LONGEST_TEXT], "run_id": run_id}
    insert_staff_actions(rows=as_json(rows), actor=actor, action=action, **about, **asdict(change or Change()))
    transaction.on_commit(partial(_log, action, [id for _, id in targets], run_id))


@Statement
def insert_staff_actions(d: Dialect) -> str:
    return f"""
        INSERT INTO notifications_staffaction (
            actor, action, target, notification_id, note, reason, run_id,
            before, after, before_hash, after_hash, flagged, at)
        SELECT %(actor)s, %(action)s, r.target, r.id, %(note)s, %(reason)s, %(run_id)s,
            %(before)s, %(after)s, %(before_hash)s, %(after_hash)s, %(flagged)s, {d.now}
        FROM {d.rows({"target": "text", "id": "uuid"})}"""


def details(action: StaffAction) -> str:
    """Returns what was done, from what to what, and why, as far as the action has it, in one line."""
    change = f"{action.before or 'nothing'} → {action.after or 'nothing'}" if action.before or action.after else ""
    why = f"because: {action.reason}" if action.reason else ""
    flag = "flagged: look at it" if action.flagged else ""
    return "; ".join(filter(None, (action.note, change, why, flag)))


def write_changes(
    actor: str, action: StaffVerb, changes: Sequence[tuple[str, UUID | None, Change]], note: str = ""
) -> None:
    """Writes a staff action for each (target, notification id, what changed), in one statement, as `write_actions`."""
    rows = [{"target": target, "id": id, **asdict(change)} for target, id, change in changes]
    insert_staff_changes(rows=as_json(rows), actor=actor, action=action, note=note[:LONGEST_TEXT])
    transaction.on_commit(partial(_log, action, [id for _, id, _ in changes]))


def _log(action: StaffVerb, targets: Sequence[UUID | None], run_id: int | None = None) -> None:
    """Writes the line of an act: what was done to how many. The record says who did it, and to what."""
    ids = [id for id in targets if id]
    now = events.now()
    events.write([events.StaffAct(now, action, run_id, len(targets), some) for some in events.parts(ids)])


@Statement
def insert_staff_changes(d: Dialect) -> str:
    words = dict.fromkeys(("target", "before", "after", "before_hash", "after_hash"), "text")
    return f"""
        INSERT INTO notifications_staffaction (
            actor, action, target, notification_id, note, reason,
            before, after, before_hash, after_hash, flagged, at)
        SELECT %(actor)s, %(action)s, r.target, r.id, %(note)s, '',
            r.before, r.after, r.before_hash, r.after_hash, r.flagged, {d.now}
        FROM {d.rows(words | {"id": "uuid", "flagged": "boolean"})}"""


def last_actions(targets: Sequence[str]) -> dict[str, StaffAction]:
    """Returns the latest action on each of a few targets."""
    return {action.target: action for action in StaffAction.objects.filter(target__in=targets).order_by("id")}


def try_now(ids: Sequence[UUID], actor: str) -> int:
    """Makes waiting notifications due now. Returns how many.

    Skips others, what its client has scheduled for later, and rows that a sender has locked.
    """
    with one_at_a_time():
        chosen = Notification.objects.filter(pk__in=list(ids)).may_be_tried_now()
        waiting = list(chosen.select_for_update(skip_locked=True).values_list("pk", flat=True))
        if not waiting:
            return 0
        expect(len(waiting), Notification.objects.filter(pk__in=waiting).try_now())
        write_actions(actor, StaffVerb.TRY_NOW, [(f"notification {pk}", pk) for pk in waiting])
    return len(waiting)


def expect(locked: int, changed: int) -> None:
    """Raises OutOfStep unless an update changed exactly the rows that were locked for it."""
    if locked != changed:
        raise OutOfStep(f"{locked} rows were locked, {changed} were changed.")


def printed(moment: datetime | None, *, none: str = "–") -> str:
    """Returns a time as the admin prints it: to the second, in the site's time zone, which it names."""
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M:%S %Z") if moment else none
