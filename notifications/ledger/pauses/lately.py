"""The pauses that somebody has to know of, read with one statement that costs little: senders ask each second."""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from project.database.dialects import Dialect, Statement


class Lately(NamedTuple):
    """A pause that is in force, or over since a short time. Times are seconds from now by the database's clock."""

    id: int
    kind: str
    name: str
    began: float  # in the past, so negative
    ends: float | None  # None: only when somebody ends it
    released: bool

    @property
    def in_force(self) -> bool:
        return self.ends is None or self.ends > 0


def read(since: timedelta = timedelta()) -> list[Lately]:
    """Returns those in force, those whose rows may not all be due again, and those that have ended `since` then."""
    return [Lately(*row) for row in pauses_lately(since=since.total_seconds())]


@Statement
def pauses_lately(d: Dialect) -> str:
    ends = f"CASE WHEN ended_at IS NULL THEN {d.seconds_until('until')} ELSE {d.seconds_until('ended_at')} END"
    then = d.later("-(%(since)s)")
    return f"""
        SELECT id, kind, name, {d.seconds_until("began_at")}, {ends}, released FROM notifications_pause
        WHERE NOT released OR ended_at > {then} OR ended_at IS NULL AND until > {then}"""
