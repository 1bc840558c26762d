"""The balance: every notification that was accepted is accounted for, and every row can still move.

It compares the log (what was published) with the ledger (what became of it). It may run while everything else runs,
because it notes the committed offsets before it looks at the ledger.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from dlq.models import DeadLetter, Run
from notifications.brokers.base import LogRecord, open_broker
from notifications.ledger.leases import without_lease
from notifications.messages.ids import time_of
from notifications.messages.message import id_in
from notifications.messages.words import TAKEN, DigestState, Is, Reason, Status, statuses
from notifications.models import Digest, Job, Notification, PrunedDay

# How retention counts, among the statuses, records that never became notifications, and stubs: rows that a client made
# by cancelling an id, and whose record never came. Neither was accepted.
UNREADABLE = "unreadable"
STUB = "stub"
FINAL = statuses(Is.FINAL)
STOPPED = statuses(Is.STOPPED)


@dataclass
class Balance:
    """The result of a comparison.

    `statuses` counts the ledger's rows; `unclaimed` are ids in Kafka that are still to be read; `missing` are ids that
    were read and are not in the ledger; `off` are pairs (id or place, what is wrong). `pruned` counts the rows that
    retention has removed, by day. `digests` counts those of the ledger's rows that nobody asked for: each went out for
    several others. `absent` are the ids that were read and are not in the ledger, by day, and
    `unreadable` the places of records that were read and have neither an id nor a dead letter: retention may have
    removed as many as it counted, and no more. What it counted as unreadable answers for some of the absent ids, too.
    `stubs` are the rows in the ledger that no record has met so far; those in the log, whose record is still to be
    read, were accepted, and the others never were.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    pruned: Counter[date] = field(default_factory=Counter)
    digests: int = 0
    absent: dict[date, set[UUID]] = field(default_factory=lambda: defaultdict(set))
    unreadable: set[str] = field(default_factory=set)
    unclaimed: set[UUID] = field(default_factory=set)
    missing: set[UUID] = field(default_factory=set)
    stubs: int = 0
    stubs_in_log: set[UUID] = field(default_factory=set)
    records: int = 0
    off: list[tuple[str, str]] = field(default_factory=list)

    @property
    def accepted(self) -> int:
        """The number of notifications in the log or the ledger, or removed by retention, each counted once."""
        never = self.stubs - len(self.stubs_in_log)
        return self.statuses.total() - never + self.pruned.total() + len(self.unclaimed) + len(self.missing)

    @property
    def pending(self) -> int:
        return sum(count for status, count in self.statuses.items() if status not in FINAL)


def take(since: datetime | None = None) -> Balance:
    """Compares everything accepted since then; everything there is without `since`.

    Returns the balance. Raises ConnectionError where the log cannot be read.
    """
    balance = Balance()
    log = open_broker().log(since)
    rows = Notification.objects.since(since) if since else Notification.objects.all()
    queued = dict(rows.filter(status=Status.QUEUED, owner=None).values_list("id", "generation"))
    for records in log.read() if log else ():
        _check_records(records, queued, balance)
    if log:
        balance.off += [(place, "was deleted by Kafka before it was read") for place in log.unread_and_gone()]
        balance.off += [(str(id), "is queued, but no record of it will be read") for id in queued]
    _compare_with_pruned(balance, since)
    balance.off += [(str(id), why) for id, why in _rows_off(rows)]
    balance.off += [(f"run {pk}", "is not over, and no job works on it") for pk in _runs_without_a_job()]
    balance.off += [(f"digest {pk}", "has gone out, and is not in the ledger") for pk in _lost_digests()]
    balance.digests = Digest.objects.filter(Exists(rows.filter(pk=OuterRef("notification_id")))).count()
    for status, count, stubs in _counts(rows):
        balance.statuses[status] = count
        balance.stubs += stubs
    return balance


def _check_records(records: list[LogRecord], queued: dict[UUID, int], balance: Balance) -> None:
    """Checks that each record is ours, and that its notification is in the ledger or still to be claimed."""
    balance.records += len(records)
    balance.off += [
        (_place(record), "is a foreign record, without an origin") for record in records if not record.origin
    ]
    ids = {record: id for record in records if (id := id_in(record.value))}
    known = dict(Notification.objects.filter(id__in=set(ids.values())).values_list("id", "channel"))
    balance.stubs_in_log |= {id for id, channel in known.items() if not channel}
    unreadable = set(_letters_of([record for record in records if ids.get(record) not in known]))
    for record in records:
        id = ids.get(record)
        if not record.committed and id:
            queued.pop(id, None)
        if id in known or _place(record) in unreadable:
            continue
        if not record.committed:
            balance.unclaimed |= {id} if id else set()
        elif id is None:
            balance.unreadable.add(_place(record))
        else:
            balance.absent[time_of(id).date()].add(id)


def _compare_with_pruned(balance: Balance, since: datetime | None) -> None:
    """What was read and is not in the ledger was removed by retention, or is missing.

    How many were removed is read after the log: a job may remove more of them meanwhile. An unreadable record may have
    a readable id. It died on the day of that id or later, give or take the clocks.
    """
    pruned = {day: Counter(rows) for day, rows in PrunedDay.objects.values_list("day", "rows")}
    unreadable = Counter({day: rows.pop(UNREADABLE, 0) for day, rows in pruned.items()})
    for rows in pruned.values():
        rows.pop(STUB, None)
    for day, ids in sorted(balance.absent.items(), reverse=True):
        removed = pruned[day].total() if day in pruned else 0
        removed += _taken(unreadable, len(ids) - removed, since=day - timedelta(days=1))
        if len(ids) > removed and removed:
            why = f"were read and committed and are not in the ledger, and retention removed {removed:,} of that day"
            balance.off.append((f"{len(ids):,} of {day}", why))
        elif not removed:
            balance.missing |= ids
            balance.off += [(str(id), "was read and committed, and is not in the ledger") for id in sorted(ids)]
    if len(balance.unreadable) > unreadable.total():
        why = "was read, and is neither a notification nor a dead letter"
        balance.off += [(place, why) for place in sorted(balance.unreadable)]
    days = {day: rows for day, rows in pruned.items() if since is None or day >= since.astimezone(UTC).date()}
    balance.pruned.update({day: rows.total() for day, rows in days.items()})


def _taken(counted: Counter[date], most: int, since: date) -> int:
    """Takes up to `most` from the numbers of the days from `since` on. Returns how many there were to take."""
    taken = 0
    for day in [day for day in counted if day >= since]:
        here = max(0, min(counted[day], most - taken))
        counted[day] -= here
        taken += here
    return taken


def _rows_off(rows: QuerySet[Notification]) -> Iterator[tuple[UUID, str]]:
    """Yields the rows that nobody would ever move, and those whose columns contradict their status."""
    final = rows.filter(status__in=FINAL)
    has_letter = Q(dead_letter__isnull=False)
    resolved = Q(dead_letter__state=DeadLetter.State.RESOLVED)
    replaying = Q(dead_letter__state=DeadLetter.State.REPLAYING)
    is_open = Q(dead_letter__state=DeadLetter.State.OPEN)
    checks = (
        (rows.filter(status=Status.WAITING, due_at=None).exclude(_is_listed()), "is waiting without a due time"),
        (rows.filter(status=Status.DIGESTED).exclude(_was_listed()), "is digested, and was in no digest that was sent"),
        (rows.filter(status=Status.ACCEPTED, due_at=None), "is in the outbox without a due time"),
        (rows.filter(status=Status.SENDING, lease_until=None), "is sending without a lease"),
        (_wrongly_listed(rows), "is not listed as its status says"),
        (_unpublished(rows), "is taken to be published, and Kafka has not acknowledged it"),
        (final.filter(settled_at=None), "has ended without a time"),
        (final.filter(Q(due_at__isnull=False) | Q(lease_until__isnull=False)), "has ended, yet is due or leased"),
        (rows.filter(status=Status.EXPIRED, expires_at=None), "has expired without an expiry"),
        (rows.filter(status=Status.SENT, provider="").exclude(resolved), "is sent by no provider"),
        (
            rows.filter(status=Status.SENT).filter(has_letter & ~resolved),
            "is sent, and its dead letter is not resolved",
        ),
        (rows.filter(status__in=STOPPED).exclude(has_letter), "has stopped without a dead letter"),
        (rows.filter(status__in=STOPPED).filter(resolved), "has stopped, and its dead letter is resolved"),
        (final.filter(replaying), "has ended, and its dead letter is still being replayed"),
        (rows.exclude(status__in=FINAL).filter(is_open), "is on its way, and its dead letter is open"),
    )
    for found, why in checks:
        for id in found.order_by().values_list("id", flat=True).iterator():
            yield id, why
    for id, _ in without_lease(rows):
        yield id, "is sending, and no lease leads the sweep to it"


def _is_listed() -> Q:
    """Whether a row waits for a digest that has gone out: it ends when that does."""
    digests = Digest.objects.filter(pk=OuterRef("digest_id"), state=DigestState.CLOSED)
    return Q(Exists(digests), reason=Reason.DIGEST)


def _was_listed() -> Q:
    """Whether a row went out in a digest. Retention may have removed what went out, but not before its members."""
    sent = Notification.objects.filter(pk=OuterRef("notification_id"), status=Status.SENT)
    return Q(Exists(Digest.objects.filter(Exists(sent), pk=OuterRef("digest_id"))))


def _lost_digests() -> Iterator[int]:
    """Yields the digests that have gone out, and nothing of it is in the ledger."""
    there = Notification.objects.filter(pk=OuterRef("notification_id"))
    closed = Digest.objects.filter(state=DigestState.CLOSED)
    yield from closed.exclude(Exists(there)).order_by("pk").values_list("pk", flat=True)


def _runs_without_a_job() -> Iterator[int]:
    """Yields the runs that nobody would ever end. A job that was paused, cancelled or given up can be resumed."""
    begun = Run.objects.filter(ended_at=None).exclude(state=Run.State.ASKED)
    jobs = Job.objects.filter(pk=OuterRef("job_id")).exclude(state=Job.State.DONE)
    yield from begun.exclude(Exists(jobs)).order_by("pk").values_list("pk", flat=True)


def _wrongly_listed(rows: QuerySet[Notification]) -> QuerySet[Notification]:
    """Returns rows that the lists and counts of their status leave out."""
    free = Q(status=Status.QUEUED, owner=None)
    taken = Q(status=Status.QUEUED, owner__isnull=False)
    rare = Q(status__in=statuses(Is.RARE))
    right = free & Q(listed=Status.QUEUED) | taken & Q(listed=TAKEN) | rare & Q(listed=F("status"))
    return rows.exclude(right | ~(free | taken | rare) & Q(listed=None))


def _unpublished(rows: QuerySet[Notification]) -> QuerySet[Notification]:
    """Returns rows that a scheduler publishes again and again. Those of the last minutes are under way."""
    return rows.filter(status=Status.QUEUED, owner__isnull=False, accepted_at__lt=Now() - timedelta(minutes=5))


def _counts(rows: QuerySet[Notification]) -> Iterable[tuple[str, int, int]]:
    """Yields each status, how many rows have it, and how many of these are stubs."""
    return rows.order_by().values_list("status").annotate(rows=Count("id"), stubs=Count("id", filter=Q(channel="")))


def _letters_of(records: list[LogRecord]) -> Iterator[str]:
    if not records:
        return
    letters = DeadLetter.objects.filter(
        notification=None, topic__in={r.topic for r in records}, offset__in={r.offset for r in records}
    )
    for topic, partition, offset in letters.values_list("topic", "partition", "offset"):
        yield f"{topic}[{partition}]@{offset}"


def _place(record: LogRecord) -> str:
    return f"{record.topic}[{record.partition}]@{record.offset}"
