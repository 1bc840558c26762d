"""How rows begin: in the outbox, in the embedded queue, by a claim, or buried at once."""

from __future__ import annotations

from notifications.channels.outcomes import Outcome
from notifications.ledger.columns import FINAL_COLUMNS, NEW_COLUMNS
from notifications.ledger.rows import CLAIMED_COLUMNS
from notifications.ledger.sql import EMPTY, EMPTY_VALUES, NEW, R_NEW, WITHIN, listing, stands
from notifications.messages.words import Status
from project.database.dialects import Dialect, Statement


@Statement
def insert_accepted(d: Dialect) -> str:
    """Into the outbox: due now. A row that is there already stands."""
    return f"""
        INSERT INTO notifications_notification ({NEW}, status, listed, claims, due_at, {EMPTY})
        SELECT {R_NEW}, '{Status.ACCEPTED}', {listing(Status.ACCEPTED)}, 0, {d.now}, {EMPTY_VALUES}
        FROM {d.lines(NEW_COLUMNS)} WHERE true
        ON CONFLICT (id) DO NOTHING"""


@Statement
def insert_queued(d: Dialect) -> str:
    """Into the embedded queue. A row that is there already stands."""
    return f"""
        INSERT INTO notifications_notification ({NEW}, status, listed, claims, {EMPTY})
        SELECT {R_NEW}, '{Status.QUEUED}', {listing(Status.QUEUED)}, 0, {EMPTY_VALUES}
        FROM {d.lines(NEW_COLUMNS)} WHERE true
        ON CONFLICT (id) DO NOTHING"""


@Statement
def claim(d: Dialect) -> str:
    """The rows of these records, where nobody else has them; a new row where there is none.

    How often a row was throttled is counted only where it was put off unspent, which is rare; its attempts are few.
    """
    row = d.returned_row("notifications_notification")
    return f"""
        INSERT INTO notifications_notification AS n ({NEW}, status, claims, owner, lease_until, {EMPTY})
        SELECT {R_NEW}, '{Status.SENDING}', 1, %(owner)s, {d.later("%(lease)s")}, {EMPTY_VALUES}
        FROM {d.lines(NEW_COLUMNS)} WHERE true
        ON CONFLICT (id) DO UPDATE SET
            {stands(Status.SENDING)}, owner = excluded.owner, lease_until = excluded.lease_until,
            due_at = NULL, handed_at = NULL,
            topic = excluded.topic, "partition" = excluded."partition", "offset" = excluded."offset",
            claims = n.claims + CASE WHEN n.status = '{Status.QUEUED}' THEN 1 ELSE 0 END
        WHERE n.generation = excluded.generation AND (n.status = '{Status.QUEUED}'
            OR (n.status = '{Status.SENDING}' AND n.owner = excluded.owner))
        {d.returning(*CLAIMED_COLUMNS)},
            CASE WHEN {row}.deferred_since IS NULL THEN 0 ELSE (
                SELECT count(*) FROM notifications_attempt AS a
                WHERE a.notification_id = {row}.id AND a.notification_id BETWEEN %(first)s AND %(last)s
                AND a.generation = {row}.generation
                AND a.outcome = '{Outcome.THROTTLED}'
            ) END,
            {d.seconds_until(d.returned("send_at"))}, {d.seconds_until(d.returned("expires_at"))}"""


@Statement
def note_lease(d: Dialect) -> str:
    """Which rows this claim leases, for the sweep. One row for a batch: settling leaves it alone."""
    return f"""
        INSERT INTO notifications_lease (owner, look_at, first, last, ids)
        VALUES (%(owner)s, {d.later("%(lease)s")}, %(lowest)s, %(highest)s, %(ids)s)"""


@Statement
def bury(d: Dialect) -> str:
    """Ends the queued rows of records that cannot be claimed."""
    return f"""
        UPDATE notifications_notification AS n
        SET {stands(Status.DEAD)}, last_cause = r.cause, last_error = r.error,
            owner = NULL, lease_until = NULL, due_at = NULL, reason = '', settled_at = {d.now}
        FROM {d.rows({"id": "uuid", "cause": "text", "error": "text"})}
        WHERE n.id = r.id AND {WITHIN} AND n.status = '{Status.QUEUED}'
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def anybody_forgotten(_: Dialect) -> str:
    """Gives a row where anybody was erased lately, which hardly ever needs more than a look."""
    return "SELECT 1 FROM notifications_forgottenhash LIMIT 1"


@Statement
def forgotten(d: Dialect) -> str:
    """Those of these hashes of persons and receivers that were erased, and until when what was accepted is not sent."""
    return f"""
        SELECT f.hash, f.before FROM notifications_forgottenhash AS f
        JOIN {d.rows({"hash": "text"})} ON r.hash = f.hash"""
