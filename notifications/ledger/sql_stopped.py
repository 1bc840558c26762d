"""Rows that a pause by hand has stopped: all have the reason `stopped`, by which a small index finds them."""

from __future__ import annotations

from notifications.ledger.sql import listing
from notifications.messages.words import PauseKind, Reason, Status
from project.database.dialects import Dialect, Statement

WAITS = f"n.reason = '{Reason.STOPPED}' AND n.listed = {listing(Status.WAITING)}"


def _is_paused(d: Dialect) -> str:
    """Whether a pause in force names the row. One of a provider names no rows, so what it has stopped goes and waits
    again."""
    columns = {PauseKind.CHANNEL: "channel", PauseKind.CATEGORY: "category", PauseKind.CLIENT: "client"}
    named = " OR ".join(f"(p.kind = '{kind}' AND p.name = n.{column})" for kind, column in columns.items())
    return f"""EXISTS (
            SELECT 1 FROM notifications_pause AS p
            WHERE p.ended_at IS NULL AND (p.until IS NULL OR p.until > {d.now})
            AND (p.kind = '{PauseKind.PLATFORM}' OR {named}))"""


@Statement
def release(d: Dialect) -> str:
    """Makes due what no pause names any more, in the order accepted: all at the one moment at which the pause ended."""
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id FROM notifications_notification AS n
            WHERE {WAITS} AND n.due_at > {d.now} AND NOT {_is_paused(d)}
            ORDER BY n.id LIMIT %(limit)s {d.skip_locked}
        )
        UPDATE notifications_notification AS n
        SET due_at = (SELECT coalesce(p.ended_at, p.until) FROM notifications_pause AS p WHERE p.id = %(pause)s)
        FROM picked WHERE n.id = picked.id
        {d.returning("id")}"""


@Statement
def any_left(d: Dialect) -> str:
    """Whether a row is still to be made due, one that is locked too."""
    return f"""
        SELECT EXISTS (
            SELECT 1 FROM notifications_notification AS n
            WHERE {WAITS} AND n.due_at > {d.now} AND NOT {_is_paused(d)})"""


@Statement
def behind(d: Dialect) -> str:
    """Those of these rows before which an older one of their receiver was stopped, is free to go and has not gone.

    The older one's record may be behind theirs, even where they were stopped themselves: they may have been published
    again before it was.
    """
    queued = f"{listing(Status.QUEUED)}, {listing(Status.QUEUED, leased=True)}"
    return f"""
        SELECT r.id FROM {d.rows({"id": "uuid", "receiver_hash": "text", "priority": "text"})}
        WHERE EXISTS (
            SELECT 1 FROM notifications_notification AS n
            WHERE n.reason = '{Reason.STOPPED}' AND n.listed IS NOT NULL
            AND n.receiver_hash = r.receiver_hash AND n.priority = r.priority AND n.id < r.id
            AND (n.listed IN ({queued}) OR ({WAITS} AND NOT {_is_paused(d)})))"""
