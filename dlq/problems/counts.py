"""Counts what problems have, so that no page counts: open letters, receivers, whether they grow.

One scheduler counts every few seconds. The open letters of a problem are counted in its index; its receivers, which
are not in it, only where its letters changed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Now

from dlq.models import DeadLetter, Problem, ProblemHour
from dlq.problems.assigning import hour_of
from notifications.models import Standing
from project.database.dialects import Dialect, Statement, as_json, clock, turn_to_write

COUNT_EVERY = 15.0
STANDING = Standing.Name.PROBLEMS
MOST_RECEIVERS = 1_000  # so many of the newest open letters are looked at; a problem can have 100,000
GROWING_FROM = 20  # deaths in an hour; below, a number that doubles says nothing
HOURS_BEFORE = 6
ONE_HOUR = timedelta(hours=1)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

State = Problem.State
LOUD = {"quiet_until": None, "quiet_below": None}


class Counted(Protocol):
    """A problem as it was, and its open letters now."""

    pk: int
    cause: str
    open_letters: int
    receivers: int
    growing: bool
    last_seen: datetime
    open_now: int


@dataclass(frozen=True, slots=True)
class Rates:
    """Deaths of a problem in the last 60 minutes, in the 60 before, and on average in the six hours before the last."""

    last: float
    before: float
    usual: float

    @classmethod
    def of(cls, hours: Mapping[datetime, int], now: datetime) -> Rates:
        """Returns the rates by the deaths of each hour. An hour that is partly in a window counts by that part."""
        part = (now - hour_of(now)) / ONE_HOUR  # of this hour that is over; so much of the one before is too long ago
        ago = [hours.get(hour_of(now) - back * ONE_HOUR, 0) for back in range(HOURS_BEFORE + 2)]
        last = ago[0] + (1 - part) * ago[1]
        earlier = [part * ago[back] + (1 - part) * ago[back + 1] for back in range(1, HOURS_BEFORE + 1)]
        return cls(last, earlier[0], sum(earlier) / HOURS_BEFORE)

    @property
    def growing(self) -> bool:
        return self.last > 2 * self.usual and self.last > GROWING_FROM


def count(every: float = COUNT_EVERY) -> bool:
    """Counts, unless some scheduler did less than `every` seconds ago. Returns whether it did."""
    now = clock()
    since = _turn(now, every)
    if since is None:
        return False
    rates = rates_since(now)
    found = {row.pk: row for row in _counted()}
    changed = [pk for pk, row in found.items() if row.open_now != row.open_letters or row.last_seen >= since]
    receivers = (
        dict(count_receivers(rows=as_json([{"id": pk} for pk in changed]), most=MOST_RECEIVERS)) if changed else {}
    )
    growing = {pk for pk, rate in rates.items() if rate.growing}
    turned = {pk for pk, row in found.items() if row.growing != (pk in growing)}
    rows = [
        {
            "id": pk,
            "open_letters": found[pk].open_now,
            "receivers": receivers.get(pk, found[pk].receivers),
            "growing": pk in growing,
        }
        for pk in sorted({*changed, *turned})
    ]
    if rows:
        _write(rows)
    _wake({pk: rate.last for pk, rate in rates.items()})
    _keep_by_cause(found.values())
    return True


def open_by_cause() -> dict[str, int]:
    """Returns the open letters by cause, as they were counted last."""
    figures = Standing.objects.filter(pk=STANDING).values_list("figures", flat=True).first()
    return figures or {}


def open_by_state() -> dict[str, int]:
    """Returns how many problems have open letters, for each state that a problem can be in."""
    found = Problem.objects.filter(open_letters__gt=0).order_by().values_list("state").annotate(Count("pk"))
    return dict.fromkeys(State.values, 0) | dict(found)


def rates_since(now: datetime) -> dict[int, Rates]:
    """Returns the rates of the problems that got letters in the hours that matter."""
    since = hour_of(now) - (HOURS_BEFORE + 1) * ONE_HOUR
    hours: dict[int, dict[datetime, int]] = defaultdict(dict)
    rows = ProblemHour.objects.filter(problem__last_seen__gte=since, hour__gte=since)
    for pk, hour, deaths in rows.order_by().values_list("problem_id", "hour", "deaths"):
        hours[pk][hour] = deaths
    return {pk: Rates.of(found, now) for pk, found in hours.items()}


def rates_of(problem_id: int) -> Rates:
    """Returns the rates of one problem, now."""
    now = clock()
    hours = ProblemHour.objects.filter(problem=problem_id, hour__gte=now - (HOURS_BEFORE + 2) * ONE_HOUR)
    return Rates.of(dict(hours.values_list("hour", "deaths")), now)


def _turn(now: datetime, every: float) -> datetime | None:
    """Returns when it was counted before; None where that was less than `every` seconds ago, or somebody is at it."""
    standing, _ = Standing.objects.get_or_create(pk=STANDING, defaults={"as_of": LONG_AGO})
    since = standing.as_of
    if (now - since).total_seconds() < every:
        return None
    return since if Standing.objects.filter(pk=STANDING, as_of=since).update(as_of=now) else None


def _counted() -> QuerySet[Problem, Counted]:
    """Returns each problem with its open letters, counted in the index `letter_problem`."""
    letters = DeadLetter.objects.filter(problem=OuterRef("pk"), state=DeadLetter.State.OPEN).order_by()
    counted = letters.values("problem").annotate(count=Count("*")).values("count")
    rows = Problem.objects.order_by().annotate(open_now=Coalesce(Subquery(counted), 0))
    return rows.values_list("pk", "cause", "open_letters", "receivers", "growing", "last_seen", "open_now", named=True)


def _receivers(problems: Sequence[int]) -> dict[int, int]:
    rows = as_json([{"id": pk} for pk in problems])
    return dict(count_receivers(rows=rows, most=MOST_RECEIVERS)) if problems else {}


def _write(rows: Sequence[Mapping[str, object]]) -> None:
    """Writes the figures of the problems that nobody has locked. The others are counted again soon."""
    with turn_to_write(), transaction.atomic():
        problems = Problem.objects.filter(pk__in=[row["id"] for row in rows]).order_by("pk")
        free = set(problems.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
        write_counts(rows=as_json([row for row in rows if row["id"] in free]))


def _wake(last: Mapping[int, float]) -> None:
    """Ends the quiet of known problems whose date has come, or which have more deaths an hour than somebody foresaw."""
    quiet = Problem.objects.filter(state=State.KNOWN).order_by()
    passed = quiet.filter(quiet_until__lte=Now()).values_list("pk", flat=True)
    limits = quiet.filter(pk__in=list(last), quiet_below__isnull=False).values_list("pk", "quiet_below")
    loud = [pk for pk, below in limits if last[pk] > (below or 0)]
    if awake := [*passed, *loud]:
        with turn_to_write(), transaction.atomic():
            free = quiet.filter(pk__in=awake).select_for_update(skip_locked=True, no_key=True)
            Problem.objects.filter(pk__in=list(free.values_list("pk", flat=True))).update(**LOUD)


def _keep_by_cause(found: Iterable[Counted]) -> None:
    """Keeps the open letters by cause: those of the problems, and those that have none yet."""
    by_cause: Counter[str] = Counter()
    for row in found:
        by_cause[row.cause] += row.open_now
    without = DeadLetter.objects.filter(problem=None, state=DeadLetter.State.OPEN).order_by().values_list("cause")
    for cause, number in without.annotate(Count("pk")):
        by_cause[cause] += number
    Standing.objects.filter(pk=STANDING).update(figures=dict(by_cause))


@Statement
def count_receivers(d: Dialect) -> str:
    return f"""
        SELECT r.id, (
            SELECT count(*) FROM (
                SELECT DISTINCT l.receiver_hash FROM (
                    SELECT receiver_hash FROM dlq_deadletter AS n
                    WHERE n.problem_id = r.id AND n.state = '{DeadLetter.State.OPEN}'
                    ORDER BY n.id DESC LIMIT %(most)s) AS l
                WHERE l.receiver_hash <> '') AS d)
        FROM {d.rows({"id": "bigint"})}"""


@Statement
def write_counts(d: Dialect) -> str:
    columns = {"open_letters": "integer", "receivers": "integer", "growing": "boolean"}
    return f"""
        UPDATE dlq_problem AS n SET {", ".join(f"{name} = r.{name}" for name in columns)}
        FROM {d.rows({"id": "bigint"} | columns)} WHERE n.id = r.id"""
