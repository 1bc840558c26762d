"""Rows that wait for a person's sake are made due when that person's choices change: they are decided anew."""

from __future__ import annotations

from notifications.ledger.sql import listing
from notifications.messages.words import Reason, Status
from project.database.dialects import Dialect, Statement, as_json, repeated

OVERLAP = 10.0  # seconds; a change may be committed later than its time says
MOST_CHANGES = 10_000  # read at once
BATCH = 1000
REASONS = (Reason.PAUSED, Reason.QUIET, Reason.CAPPED)


class Waking:
    """Of one scheduler; any number may do the same work."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, object]] = set()
        self._to_wake: set[str] = set()

    def look(self) -> bool:
        """Makes due what waits for people who changed. Returns whether there is more of it.

        It acts on a change twice: when it sees it, and when the change is not new any more. For a claim that was under
        way has read what was chosen before, and may have put its rows off since. Takes one query where nobody changed.
        Raises what the database raises.
        """
        found = set(who_changed(overlap=OVERLAP, limit=MOST_CHANGES))
        self._to_wake |= {username for username, _ in found ^ self._seen}
        self._seen = found
        if self._to_wake and _wake(self._to_wake) < BATCH:
            self._to_wake = set()
        return bool(self._to_wake)


def _wake(people: set[str]) -> int:
    """Makes up to BATCH of their rows due. Returns how many."""
    people_as_json = as_json([{"username": username} for username in sorted(people)])
    return len(repeated(lambda: wake(people=people_as_json, limit=BATCH)))


@Statement
def who_changed(d: Dialect) -> str:
    return f"""
        SELECT username, changed_at FROM users_personpreferences
        WHERE changed_at > {d.later("-(%(overlap)s)")} ORDER BY changed_at DESC LIMIT %(limit)s"""


@Statement
def wake(d: Dialect) -> str:
    """What is due already, or locked, is being decided anew as it is."""
    reasons = ", ".join(f"'{reason}'" for reason in REASONS)
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id FROM {d.rows({"username": "text"}, "%(people)s")}
            JOIN notifications_notification AS n ON n."user" = r.username AND n."user" <> ''
            WHERE n.listed = {listing(Status.WAITING)} AND n.reason IN ({reasons}) AND n.due_at > {d.now}
            ORDER BY n.id LIMIT %(limit)s {d.skip_locked}
        )
        UPDATE notifications_notification AS n SET due_at = {d.now}
        FROM picked WHERE n.id = picked.id
        {d.returning("id")}"""
