"""What the minutes say: the last hour beside what is usual at this time, and the last day by the hour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median

from django.db.models import Q, Sum
from django.db.models.functions import TruncHour
from django.utils import timezone

from notifications.messages.words import Happened
from notifications.models import Minute

ONE_HOUR, ONE_DAY = timedelta(hours=1), timedelta(days=1)
JUST_NOW = timedelta(minutes=5)
DAYS = 7  # before this one, whose same hour is the usual
FEWEST_DAYS = 3  # with counts; fewer make no usual
HOURS = 24
IN_CHARTS = (Happened.SENT, Happened.FAILED, Happened.DEAD)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often something happened on a channel: in the last minutes, in the last hour, usually in this hour."""

    just_now: int = 0
    last_hour: int = 0
    usual: int | None = None  # not known yet


@dataclass(frozen=True, slots=True)
class Hour:
    begin: datetime
    counts: Mapping[str, int] = field(default_factory=dict)  # by what happened

    @property
    def end(self) -> datetime:
        return self.begin + ONE_HOUR


def first_minute() -> datetime | None:
    """Returns the first minute in which something was counted; None where nothing ever was."""
    return Minute.objects.order_by("minute").values_list("minute", flat=True).first()


def paces(now: datetime, first: datetime | None) -> dict[tuple[str, str], Pace]:
    """Returns the pace of what was accepted and sent, by channel and what happened, with one query.

    The usual is the median of the same sixty minutes of the last seven days, of those days in which there were counts.
    """
    spans = [Q(minute__gte=now - back * ONE_DAY - ONE_HOUR, minute__lt=now - back * ONE_DAY) for back in _backs()]
    known = [back for back in _backs()[1:] if first and first <= now - back * ONE_DAY - ONE_HOUR]
    some = Q()
    for span in spans:
        some |= span
    rows = Minute.objects.filter(some, happened__in=(Happened.ACCEPTED, Happened.SENT)).order_by()
    sums = {f"before_{back}": Sum("count", filter=span, default=0) for back, span in enumerate(spans)}
    sums["just_now"] = Sum("count", filter=Q(minute__gte=now - JUST_NOW), default=0)
    found = rows.values_list("channel", "happened").annotate(**sums)
    return {
        (channel, happened): Pace(just_now, counts[0], _usual([counts[back] for back in known]))
        for channel, happened, *counts, just_now in found
    }


def last_day(now: datetime) -> list[Hour]:
    """Returns the last 24 hours, the oldest first; the last one has only begun. With one query."""
    this = timezone.localtime(now).replace(minute=0, second=0, microsecond=0)
    hours = [this - back * ONE_HOUR for back in reversed(range(HOURS))]
    rows = Minute.objects.filter(minute__gte=hours[0], happened__in=IN_CHARTS).order_by()
    by_hour = rows.annotate(hour=TruncHour("minute", tzinfo=UTC)).values_list("hour", "happened")
    counts: dict[datetime, dict[str, int]] = {hour.astimezone(UTC): {} for hour in hours}
    for hour, happened, count in by_hour.annotate(total=Sum("count")):
        counts.setdefault(hour, {})[happened] = count
    return [Hour(hour, counts[hour.astimezone(UTC)]) for hour in hours]


def _backs() -> Sequence[int]:
    return range(DAYS + 1)


def _usual(counts: Sequence[int]) -> int | None:
    return round(median(counts)) if len(counts) >= FEWEST_DAYS else None
