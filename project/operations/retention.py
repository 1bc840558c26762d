"""What retention removes, and from when on: the conditions that the prune job and its preview share.

Never an unfinished notification, and never one with a dead letter that is open or being replayed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import TruncDate

from dlq.models import DeadLetter, DeadLetterEvent, Mending, Problem, ProblemHour, Run
from notifications.ledger.partitions import partitions
from notifications.messages.ids import first_id_at, time_of
from notifications.messages.words import DigestState
from notifications.models import (
    Attempt,
    BreakerEvent,
    Digest,
    Forgetting,
    ForgottenHash,
    IdempotencyKey,
    Job,
    Minute,
    Notification,
    PrunedDay,
    Receipt,
    Rewound,
    SandboxMessage,
)
from notifications.scheduling.job_rows import UNFINISHED
from project.database.dialects import clock
from project.operations.balance import FINAL
from users.recipients.caps import LONGEST_WINDOW
from users.recipients.models import CapPlace, Suppression

STILL_OPEN = (DeadLetter.State.OPEN, DeadLetter.State.REPLAYING)
ENDED_JOBS = [state for state in Job.State if state not in (*UNFINISHED, Job.State.FAILED)]
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Moments (midnights in UTC) before which something goes; None: it is kept for ever."""

    rows: datetime | None  # of the ledger, and what hangs on them
    texts: datetime | None
    others: datetime | None  # rows of the small tables, by their own time

    @classmethod
    def now(cls) -> Bounds:
        """Returns the bounds by the settings and the database's clock."""
        today = midnight(clock().astimezone(UTC).date())
        rows, texts = (
            today - timedelta(days=days) if days else None
            for days in (settings.RETENTION_DAYS, settings.RETENTION_TEXT_DAYS)
        )
        return cls(_end_of_partitions(rows) if rows else None, texts, rows)

    @classmethod
    def read(cls, words: Mapping[str, Any]) -> Bounds:
        return cls(*(datetime.fromisoformat(words[name]) if words[name] else None for name in cls.__slots__))

    def words(self) -> dict[str, str | None]:
        """Returns them as a job's cursor keeps them."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return {name: moment.isoformat() if moment else None for name, moment in found.items()}


def _end_of_partitions(until: datetime) -> datetime:
    """Returns the end of the last partition that is over by `until`: younger rows wait to be dropped with theirs.

    The first partition may be a whole ledger from before there were partitions, whose rows do not wait; nor do those
    that are older than every partition.
    """
    there = partitions()
    first = there[0].since if there else None
    if not there or (first is None and there[0].until > until):
        return until
    over = [partition.until for partition in there if partition.until <= until]
    return over[-1] if over else min(first or until, until)


def rows_to_go(until: datetime | UUID, since: datetime | UUID | None = None) -> QuerySet[Notification]:
    """Returns the finished notifications accepted before `until` whose dead letter, if any, is closed."""
    rows = Notification.objects.filter(id__lt=_id(until), status__in=FINAL)
    rows = rows.filter(id__gte=_id(since)) if since is not None else rows
    return rows.exclude(dead_letter__state__in=STILL_OPEN)


def with_texts(rows: QuerySet[Notification]) -> QuerySet[Notification]:
    """Returns those whose texts are still there; no receiver is empty otherwise."""
    return rows.exclude(receiver="")


def digests_to_go(until: datetime) -> QuerySet[Digest]:
    """Returns the digests that have ended and closed before `until`: their members are older."""
    return Digest.objects.filter(state=DigestState.ENDED, closes_at__lt=until)


def keys_to_go(until: datetime, since: datetime | UUID | None = None) -> QuerySet[IdempotencyKey]:
    """Returns the idempotency keys of notifications accepted before `until` that do not stay."""
    keys = IdempotencyKey.objects.filter(notification_id__lt=_id(until))
    keys = keys.filter(notification_id__gte=_id(since)) if since is not None else keys
    stays = Q(dead_letter__state__in=STILL_OPEN) | ~Q(status__in=FINAL)
    return keys.exclude(Exists(Notification.objects.filter(stays, id=OuterRef("notification_id"))))


def unreadable_to_go(until: datetime) -> QuerySet[DeadLetter]:
    """Returns the closed letters of records that never became notifications."""
    letters = DeadLetter.objects.filter(notification=None, changed_at__lt=until)
    return letters.exclude(state__in=STILL_OPEN)


def raw_to_empty(until: datetime, *, but: datetime | None = None) -> QuerySet[DeadLetter]:
    """Returns those that still have their record's bytes; without those that go before `but` anyway."""
    letters = unreadable_to_go(until).exclude(raw=None)
    return letters.exclude(changed_at__lt=but) if but else letters


def sandbox_to_go(until: datetime) -> QuerySet[SandboxMessage]:
    return SandboxMessage.objects.filter(notification_id__lt=_id(until))


def events_to_go(until: datetime) -> QuerySet[DeadLetterEvent]:
    """Returns the events that are on the dlq topic, where there is one."""
    events = DeadLetterEvent.objects.filter(at__lt=until)
    return events.exclude(published_at=None) if settings.KAFKA_BOOTSTRAP_SERVERS else events


def breakers_to_go(until: datetime) -> QuerySet[BreakerEvent]:
    return BreakerEvent.objects.filter(at__lt=until)


def minutes_to_go(until: datetime) -> QuerySet[Minute]:
    return Minute.objects.filter(minute__lt=until)


def jobs_to_go(until: datetime) -> QuerySet[Job]:
    """Returns the jobs that have ended. One of a run that is not over stays: the run could not be ended without it."""
    unfinished = Run.objects.filter(job_id=OuterRef("pk"), ended_at=None)
    return Job.objects.filter(~Exists(unfinished), state__in=ENDED_JOBS, ended_at__lt=until)


def problems_to_go(until: datetime) -> QuerySet[Problem]:
    """Returns the problems that no letter belongs to any more."""
    return Problem.objects.filter(~Exists(DeadLetter.objects.filter(problem=OuterRef("pk"))), last_seen__lt=until)


def runs_to_go(until: datetime) -> QuerySet[Run]:
    """Returns the runs that are over and that no letter belongs to any more."""
    return Run.objects.filter(~Exists(DeadLetter.objects.filter(run=OuterRef("pk"))), ended_at__lt=until)


def mendings_to_go(until: datetime) -> QuerySet[Mending]:
    """Returns the corrections of many letters that no letter belongs to any more, and no job works on."""
    letters = DeadLetter.objects.filter(mending=OuterRef("pk"))
    working = Job.objects.filter(pk=OuterRef("job_id")).exclude(state__in=ENDED_JOBS)
    return Mending.objects.filter(~Exists(letters), ~Exists(working), created_at__lt=until)


def hours_to_go(until: datetime) -> QuerySet[ProblemHour]:
    return ProblemHour.objects.filter(hour__lt=until)


def forgotten_to_go(until: datetime) -> QuerySet[ForgottenHash]:
    """Returns the hashes that nothing needs any more: what was accepted before them has gone as well."""
    return ForgottenHash.objects.filter(before__lt=until)


def forgettings_to_go(until: datetime) -> QuerySet[Forgetting]:
    return Forgetting.objects.filter(before__lt=until)


def receipts_to_go(until: datetime) -> QuerySet[Receipt]:
    return Receipt.objects.filter(received_at__lt=until)


def rewound_to_go(until: datetime) -> QuerySet[Rewound]:
    """Returns what was noted of topics whose records of that time are gone."""
    return Rewound.objects.filter(at__lt=until)


def cap_places_to_go(until: datetime) -> QuerySet[CapPlace]:
    """Returns the places of rate limits that count in no window any more."""
    return CapPlace.objects.filter(at__lt=min(until, datetime.now(UTC) - LONGEST_WINDOW))


def suppressions_to_go(until: datetime) -> QuerySet[Suppression]:
    """Returns what has been over for so long, and scores of bounces that have faded."""
    return Suppression.objects.filter(until__lt=until)


def sessions_to_go() -> QuerySet[Session]:
    """Returns the sessions of staff that are over, whatever the bounds: what somebody looked for is in them."""
    return Session.objects.filter(expire_date__lt=clock())


def preview(bounds: Bounds) -> Iterator[tuple[str, date, int]]:
    """Yields what would go: (what, day, how many), by table and then by day. Its numbers are those of a job's total."""
    if bounds.rows:
        for day in _days(bounds.rows):
            rows = rows_to_go(day + ONE_DAY, day)
            yield from _of_day("notifications", day, rows.count())
            yield from _of_day("attempts", day, Attempt.objects.filter(notification__in=rows).count())
            letters = DeadLetter.objects.filter(notification__in=rows)
            yield from _of_day("dead letters", day, letters.count())
            yield from _of_day("idempotency keys", day, keys_to_go(day + ONE_DAY, day).count())
        yield from _by_day("digests", digests_to_go(bounds.rows), "closes_at")
    if bounds.others:
        yield from _by_day("unreadable records", unreadable_to_go(bounds.others), "changed_at")
        yield from _by_day("dead letter events", events_to_go(bounds.others), "at")
        yield from _by_day("breaker events", breakers_to_go(bounds.others), "at")
        yield from _by_day("minutes", minutes_to_go(bounds.others), "minute")
        yield from _by_day("jobs", jobs_to_go(bounds.others), "ended_at")
        yield from _by_day("hashes of people who were erased", forgotten_to_go(bounds.others), "before")
        yield from _by_day("suppressions that are over", suppressions_to_go(bounds.others), "until")
        yield from _by_day("requests to erase", forgettings_to_go(bounds.others), "before")
        yield from _by_day("receipts", receipts_to_go(bounds.others), "received_at")
        yield from _by_day("places of a rewind", rewound_to_go(bounds.others), "at")
        yield from _by_day("places of rate limits", cap_places_to_go(bounds.others), "at")
        yield from _by_day("hours of problems", hours_to_go(bounds.others), "hour")
        yield from _by_day("problems", problems_to_go(bounds.others), "last_seen")
        yield from _by_day("runs", runs_to_go(bounds.others), "ended_at")
        yield from _by_day("corrections", mendings_to_go(bounds.others), "created_at")
    if bounds.texts:
        yield from _by_day("raw records", raw_to_empty(bounds.texts, but=bounds.others), "changed_at")
        yield from _by_day("sandbox messages", sandbox_to_go(bounds.texts), "sent_at")
        for day in _days(bounds.texts):
            if not (bounds.rows and day < bounds.rows):
                yield from _of_day("texts", day, with_texts(rows_to_go(day + ONE_DAY, day)).count())
    yield from _by_day("sessions", sessions_to_go(), "expire_date")


def midnight(day: date) -> datetime:
    """Returns the beginning of a day in UTC."""
    return datetime.combine(day, time(), UTC)


def first_day(since: datetime | None = None) -> datetime | None:
    """Returns the midnight before the oldest notification or idempotency key from `since` on; None without any."""
    rows, keys = Notification.objects.order_by("id"), IdempotencyKey.objects.order_by("notification_id")
    if since is not None:
        rows, keys = rows.filter(id__gte=_id(since)), keys.filter(notification_id__gte=_id(since))
    firsts = (rows.values_list("id", flat=True).first(), keys.values_list("notification_id", flat=True).first())
    found = [id for id in firsts if id is not None]
    return midnight(time_of(min(found)).date()) if found else None


def _days(until: datetime) -> Iterator[datetime]:
    day = first_day()
    while day is not None and day < until:
        yield day
        day = first_day(day + ONE_DAY)


def _of_day(what: str, day: datetime, count: int) -> Iterator[tuple[str, date, int]]:
    if count:
        yield what, day.date(), count


def _by_day(what: str, rows: QuerySet[Any], column: str) -> Iterator[tuple[str, date, int]]:
    found = rows.order_by().values_list(TruncDate(column, tzinfo=UTC)).annotate(Count("pk")).order_by(f"{column}__date")
    for day, count in found:
        yield what, day, count


def _id(moment: datetime | UUID) -> UUID:
    return moment if isinstance(moment, UUID) else first_id_at(moment)


def note_pruned(removed: Mapping[tuple[date, str], int]) -> None:
    """Adds to the numbers of rows removed, by day and status, for the balance."""
    for day in sorted({day for day, _ in removed}):
        PrunedDay.objects.get_or_create(day=day)
        noted = PrunedDay.objects.select_for_update().get(day=day)
        for (of, status), count in removed.items():
            if of == day:
                noted.rows[status] = noted.rows.get(status, 0) + count
        noted.save(update_fields=["rows"])
