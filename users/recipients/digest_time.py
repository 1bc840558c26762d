"""When a digest that is begun now closes: after so many seconds, or at an hour of the person's day."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta, tzinfo

ONE_DAY = timedelta(days=1)


def closes_at(now: datetime, *, seconds: int | None, at: time | None, zone: tzinfo) -> datetime | None:
    """Returns the moment in UTC, after `now`; None where there are neither seconds nor an hour.

    An hour that a change of clocks leaves out is as much later, one that comes twice is the first of the two.
    """
    if seconds is not None:
        return now + timedelta(seconds=seconds)
    if at is None:
        return None
    today = now.astimezone(zone).date()
    moments = (datetime.combine(today + days * ONE_DAY, at, zone).astimezone(UTC) for days in range(3))
    return next(moment for moment in moments if moment > now)
