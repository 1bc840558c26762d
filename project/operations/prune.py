"""The job that removes what is older than retention allows: partitions as a whole, the rest in small batches.

It does one thing after another (STAGES), each from its oldest rows on. A dead letter goes in the transaction in which
its notification goes, so that no page and no balance ever sees one without the other.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import QuerySet

from dlq.models import DeadLetter
from notifications.ledger.leases import any_sending
from notifications.ledger.partitions import LOCK_NOT_AVAILABLE, Partition, drop, partitions
from notifications.messages.ids import first_id_at, time_of
from notifications.messages.words import TAKEN, Status
from notifications.models import NO_TEXTS, Attempt, IdempotencyKey, Job, Notification, PrunedDay
from notifications.scheduling.job_rows import Step
from project.database.dialects import Dialect, Statement, as_json, fetch
from project.database.refusals import sqlstate
from project.operations import retention
from project.operations.balance import FINAL, STUB, UNREADABLE
from project.operations.retention import ONE_DAY, STILL_OPEN, Bounds, midnight

READ = ("id", "status", "channel")
BATCH = 500  # rows a step; on SQLite everybody who writes waits for it
LOCKED_PAUSE = 300.0  # seconds until a partition is tried again that somebody uses; a backup may take hours


@dataclass(frozen=True, slots=True)
class Part:
    """What one step of a stage did; `after` is where its next one begins, None where the stage is over."""

    after: Any = None
    counts: Mapping[str, int] = field(default_factory=dict)
    pause: float = 0.0


class Prune:
    """The kind of job. One begins each day; its bounds are those of its first step."""

    every: timedelta | None = ONE_DAY

    def total(self, job: Job) -> int | None:
        """Returns what would go now; None where counting it takes half a lease, for then another runner begins."""
        total, until = 0, time.monotonic() + settings.LEASE_SECONDS / 2
        for _, _, count in retention.preview(Bounds.now()):
            total += count
            if time.monotonic() > until:
                return None
        return total

    def step(self, job: Job, cursor: Any) -> Step:
        names = list(STAGES)
        cursor = cursor or {"stage": names[0], "after": None, "bounds": Bounds.now().words()}
        part = STAGES[cursor["stage"]](Bounds.read(cursor["bounds"]), cursor["after"])
        if part.after is not None:
            return Step(cursor | {"after": part.after}, part.counts, part.pause)
        later = names[names.index(cursor["stage"]) + 1 :]
        return Step(cursor | {"stage": later[0], "after": None} if later else None, part.counts)


class CountedInVain(RuntimeError):
    """Another job removed rows of the partition while they were counted."""


def drop_partitions(bounds: Bounds, after: dict[str, Any] | None) -> Part:
    """Drops the next partition that is over, unless something in it stays; then its rows go in batches.

    `after` has the end of the last partition that is dealt with, and no count: a job may be resumed days later, when
    another one has removed a part of what was there.
    """
    end = after["end"] if after else ""
    over = [each for each in partitions() if bounds.rows and each.until <= bounds.rows]
    partition = next((each for each in over if each.until.isoformat() > end), None)
    if partition is None:
        return Part()
    try:
        with transaction.atomic():
            counts = _drop(partition)
            transaction.set_rollback(not counts)
    except (OperationalError, CountedInVain) as error:
        if isinstance(error, OperationalError) and sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
        return Part({"end": end}, pause=LOCKED_PAUSE)
    return Part({"end": partition.until.isoformat()}, counts)


def _drop(partition: Partition) -> dict[str, int]:
    """Returns what went, by name; {} where something stays, and then the caller must roll back.

    Raises CountedInVain. The rows are counted before the lock is asked for: that takes seconds, and nobody else can
    work on the ledger under it. What other jobs remove meanwhile shows in the numbers that they note.
    """
    begin, end = _ids(partition)
    noted = _noted(partition)
    if _is_needed(begin, end):
        return {}
    by_day = _counted(partition)
    if any(status not in (*FINAL, STUB) for _, status in by_day):
        return {}
    counts = {"notifications": by_day.total()}
    counts["attempts"] = fetch(f'SELECT count(*) FROM "{partition.attempts}"')[0][0]
    letters = DeadLetter.objects.filter(notification_id__gte=begin, notification_id__lt=end)
    counts["dead letters"] = letters.exclude(state__in=STILL_OPEN).delete()[0]
    retention.note_pruned(by_day)

    def may_go() -> bool:
        if _noted(partition) != noted + by_day.total():
            raise CountedInVain
        return not _is_needed(begin, end)  # somebody may have claimed a row of it meanwhile

    return counts if drop(partition, when=may_go) else {}


def _noted(partition: Partition) -> int:
    """Returns how many rows of its days retention has removed, by what was noted."""
    days = PrunedDay.objects.filter(day__lt=partition.until.date())
    days = days.filter(day__gte=partition.since.date()) if partition.since else days
    return sum(sum(rows.values()) for rows in days.values_list("rows", flat=True))


def _ids(partition: Partition) -> tuple[UUID, UUID]:
    """Returns its first id, and the first after it."""
    return first_id_at(partition.since) if partition.since else UUID(int=0), first_id_at(partition.until)


def _counted(partition: Partition) -> Counter[tuple[date, str]]:
    """Returns how many rows of each day and status it has. It reads them all, so it is done without a lock."""
    day, days = partition.since or retention.first_day(), []
    while day is not None and day < partition.until:
        days.append(day.date())
        day += ONE_DAY
    cases = "".join(
        f" WHEN id < '{first_id_at(midnight(of) + ONE_DAY)}' THEN {number}" for number, of in enumerate(days)
    )
    if not days:
        return Counter()
    number = f"CASE{cases} END" if len(days) > 1 else "0"
    status = f"CASE WHEN channel = '' THEN '{STUB}' ELSE status END"
    rows = fetch(f'SELECT {number}, {status}, count(*) FROM "{partition.table}" GROUP BY 1, 2')
    return Counter({(days[number], status): count for number, status, count in rows})


def _is_needed(begin: UUID, end: UUID) -> bool:
    """Says whether a row from `begin` to before `end` is unfinished or has a letter that is open; by indexes alone.

    What is unfinished is listed (see Notification), or is being sent under a lease.
    """
    rows = Notification.objects.filter(id__gte=begin, id__lt=end)
    unfinished = rows.filter(listed__in=(Status.ACCEPTED, Status.WAITING, Status.QUEUED, TAKEN))
    letters = DeadLetter.objects.filter(notification_id__gte=begin, notification_id__lt=end, state__in=STILL_OPEN)
    return letters.exists() or unfinished.exists() or any_sending(begin, end)


def delete_rows(bounds: Bounds, after: str | None) -> Part:
    """Deletes the next notifications with their attempts, letters and idempotency keys."""
    if bounds.rows is None:
        return Part()
    rows = retention.rows_to_go(bounds.rows, UUID(after) if after else None)
    found = {id: _counted_as(status, channel) for id, status, channel in rows.order_by("id").values_list(*READ)[:BATCH]}
    ids = list(found)
    counts = {
        "attempts": Attempt.objects.filter(notification_id__in=ids).delete()[0],
        "dead letters": DeadLetter.objects.filter(notification_id__in=ids).delete()[0],
        "idempotency keys": IdempotencyKey.objects.filter(notification_id__in=ids).delete()[0],
        "notifications": _delete_notifications(ids) if ids else 0,
    }
    retention.note_pruned(Counter((time_of(id).date(), status) for id, status in found.items()))
    return Part(_next(ids), counts)


def _counted_as(status: str, channel: str) -> str:
    """Returns the word under which a removed row is counted: its status, but for stubs."""
    return status if channel else STUB


def _delete_notifications(ids: list[UUID]) -> int:
    """Raises RuntimeError where one of them is finished no more; nothing that is finished can begin again."""
    gone = delete_notifications(first=ids[0].hex, last=ids[-1].hex, rows=as_json([{"id": id} for id in ids]))
    if len(gone) != len(ids) or any(status not in FINAL for (status,) in gone):
        raise RuntimeError("A notification that was to be removed has changed.")
    return len(gone)


@Statement
def delete_notifications(d: Dialect) -> str:
    return f"""
        DELETE FROM notifications_notification
        WHERE id BETWEEN %(first)s AND %(last)s AND id IN (SELECT r.id FROM {d.rows({"id": "uuid"})})
        RETURNING status"""


def delete_keys(bounds: Bounds, after: str | None) -> Part:
    """Deletes the idempotency keys whose notifications went with their partition, or never came."""
    if bounds.rows is None:
        return Part()
    keys = retention.keys_to_go(bounds.rows, UUID(after) if after else None).order_by("notification_id")
    found = dict(keys.values_list("pk", "notification_id")[:BATCH])
    IdempotencyKey.objects.filter(pk__in=list(found)).delete()
    return Part(_next(list(found.values())), {"idempotency keys": len(found)})


def delete_unreadable(bounds: Bounds, _after: int | None) -> Part:
    """Deletes the letters of records that never became notifications; the balance reads how many."""
    if bounds.others is None:
        return Part()
    found = dict(retention.unreadable_to_go(bounds.others).order_by("pk").values_list("pk", "died_at")[:BATCH])
    DeadLetter.objects.filter(pk__in=list(found)).delete()
    retention.note_pruned(Counter((died_at.date(), UNREADABLE) for died_at in found.values()))
    return Part(1 if len(found) == BATCH else None, {"unreadable records": len(found)})


def empty_unreadable(bounds: Bounds, _after: int | None) -> Part:
    """Empties the bytes that closed letters of unreadable records keep."""
    if bounds.texts is None:
        return Part()
    found = list(retention.raw_to_empty(bounds.texts).order_by("pk").values_list("pk", flat=True)[:BATCH])
    DeadLetter.objects.filter(pk__in=found).update(raw=None)
    return Part(1 if len(found) == BATCH else None, {"raw records": len(found)})


def empty_texts(bounds: Bounds, after: str | None) -> Part:
    """Empties the next texts of a day, and notes when the day is through.

    A day with an unfinished notification is looked at again by the next job. One whose letter is open at that time
    is looked for by its letter, in `empty_late_texts`.
    """
    if bounds.texts is None:
        return Part()
    begin = UUID(after) if after else UUID(int=0)
    day = retention.first_day(time_of(begin))
    while day and day < bounds.texts and PrunedDay.objects.filter(day=day.date(), texts_removed=True).exists():
        day = retention.first_day(day + ONE_DAY)
    if day is None or day >= bounds.texts:
        return Part()
    rows = retention.with_texts(retention.rows_to_go(day + ONE_DAY, max(begin, first_id_at(day))))
    ids = list(rows.order_by("id").values_list("id", flat=True)[:BATCH])
    counts = {"texts": _empty(ids)}
    if len(ids) == BATCH:
        return Part(_next(ids), counts)
    if not _unfinished(day.date()):
        PrunedDay.objects.update_or_create(day=day.date(), defaults={"texts_removed": True})
    return Part(first_id_at(day + ONE_DAY).hex, counts)


def empty_late_texts(bounds: Bounds, after: int | None) -> Part:
    """Empties the texts whose dead letter was closed after the texts of their day had gone."""
    if bounds.texts is None:
        return Part()
    letters = DeadLetter.objects.filter(pk__gt=after or 0, notification_id__lt=first_id_at(bounds.texts))
    closed = letters.exclude(state__in=STILL_OPEN).order_by("pk")
    found = dict(closed.values_list("pk", "notification_id")[:BATCH])
    counts = {"texts": _empty([id for id in found.values() if id])}
    return Part(max(found) if len(found) == BATCH else None, counts)


def _empty(ids: list[UUID]) -> int:
    """Returns how many texts it emptied. The receiver's hash stays: who knows the address still finds the row."""
    rows = retention.with_texts(Notification.objects.filter(id__in=ids, status__in=FINAL))
    return rows.update(**NO_TEXTS)


def _unfinished(day: date) -> bool:
    begin = midnight(day)
    rows = Notification.objects.since(begin).until(begin + ONE_DAY)
    return rows.exclude(status__in=FINAL).exists()


def _delete(what: str, to_go: Callable[[datetime], QuerySet[Any]], bound: str) -> Callable[[Bounds, Any], Part]:
    """Returns the stage that deletes from one small table."""

    def stage(bounds: Bounds, _after: int | None) -> Part:
        until = getattr(bounds, bound)
        if until is None:
            return Part()
        found = list(to_go(until).order_by("pk").values_list("pk", flat=True)[:BATCH])
        to_go(until).filter(pk__in=found).delete()
        return Part(1 if len(found) == BATCH else None, {what: len(found)})

    return stage


def delete_sessions(_: Bounds, _after: int | None) -> Part:
    """Deletes the sessions of staff that are over. Nothing else does: who does not log out leaves theirs behind."""
    found = list(retention.sessions_to_go().order_by("pk").values_list("pk", flat=True)[:BATCH])
    retention.sessions_to_go().filter(pk__in=found).delete()
    return Part(1 if len(found) == BATCH else None, {"sessions": len(found)})


def _next(ids: list[UUID]) -> str | None:
    """Returns where the next step begins, after a step that took these; None where they were the last."""
    return UUID(int=ids[-1].int + 1).hex if len(ids) == BATCH else None


STAGES: dict[str, Callable[[Bounds, Any], Part]] = {
    # Before the letters go, as the preview counts them: a problem or a run goes with the job after its last letter's.
    "hours of problems": _delete("hours of problems", retention.hours_to_go, "others"),
    "problems": _delete("problems", retention.problems_to_go, "others"),
    "runs": _delete("runs", retention.runs_to_go, "others"),
    "corrections": _delete("corrections", retention.mendings_to_go, "others"),
    "partitions": drop_partitions,
    "rows": delete_rows,
    "digests": _delete("digests", retention.digests_to_go, "rows"),
    "keys": delete_keys,
    "unreadable": delete_unreadable,
    "events": _delete("dead letter events", retention.events_to_go, "others"),
    "breakers": _delete("breaker events", retention.breakers_to_go, "others"),
    "minutes": _delete("minutes", retention.minutes_to_go, "others"),
    "jobs": _delete("jobs", retention.jobs_to_go, "others"),
    "suppressions": _delete("suppressions that are over", retention.suppressions_to_go, "others"),
    "forgotten": _delete("hashes of people who were erased", retention.forgotten_to_go, "others"),
    "receipts": _delete("receipts", retention.receipts_to_go, "others"),
    "rewound": _delete("places of a rewind", retention.rewound_to_go, "others"),
    "cap places": _delete("places of rate limits", retention.cap_places_to_go, "others"),
    "forgettings": _delete("requests to erase", retention.forgettings_to_go, "others"),
    "sandbox": _delete("sandbox messages", retention.sandbox_to_go, "texts"),
    "raw": empty_unreadable,
    "texts": empty_texts,
    "late texts": empty_late_texts,
    "sessions": delete_sessions,
}
