"""How claims are settled, and what notes meanwhile that they go on."""

from __future__ import annotations

from notifications.ledger.columns import FINAL_COLUMNS
from notifications.ledger.sql import FENCE, FINAL, RESULT, SAME_CLAIM, SENT, WITHIN, words
from notifications.messages.words import Is, Status
from project.database.dialects import Dialect, Statement


@Statement
def settle_sent(d: Dialect) -> str:
    """The many. No row comes back but its last cause, for only what failed once can have a dead letter."""
    return f"""
        UPDATE notifications_notification AS n
        SET status = '{Status.SENT}', reason = '', due_at = NULL, deferred_since = NULL,
            owner = NULL, lease_until = NULL, settled_at = {d.now},
            provider = r.provider, provider_message_id = r.provider_message_id
        FROM {d.rows(SENT)}
        WHERE {SAME_CLAIM} AND n.status IN ({words(Is.MAY_BE_SENT)})
        {d.returning("last_cause")}"""


@Statement
def sent_by(d: Dialect) -> str:
    """The rows that are sent by these claims."""
    return f"""
        SELECT {FINAL} FROM notifications_notification AS n
        JOIN {d.rows(SENT)} ON {SAME_CLAIM}
        WHERE n.status = '{Status.SENT}'"""


@Statement
def settle_others(d: Dialect) -> str:
    """Every result but a success needs the row to be sending still.

    An expiry before the retry is when the scheduler looks next.
    """
    due_at = d.later("r.due_in")
    return f"""
        UPDATE notifications_notification AS n
        SET status = r.status, reason = r.reason, owner = NULL, lease_until = NULL,
            due_at = CASE WHEN n.expires_at < {due_at} THEN n.expires_at ELSE {due_at} END,
            attempts = n.attempts + r.spent, uncertain_count = n.uncertain_count + r.uncertain,
            deferred_since = CASE r.deferral
                WHEN 'begin' THEN coalesce(n.deferred_since, {d.now})
                WHEN 'keep' THEN n.deferred_since END,
            last_cause = coalesce(r.cause, n.last_cause),
            last_error = CASE WHEN r.cause IS NULL THEN n.last_error ELSE r.error END,
            provider = CASE WHEN r.provider = '' THEN n.provider ELSE r.provider END,
            settled_at = CASE WHEN r.status = '{Status.WAITING}' THEN NULL ELSE {d.now} END
        FROM {d.rows(RESULT)}
        WHERE {SAME_CLAIM} AND n.status = '{Status.SENDING}'
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def insert_attempts(d: Dialect) -> str:
    """One for each claim that did not simply send."""
    return f"""
        INSERT INTO notifications_attempt
            (notification_id, generation, number, at, outcome, cause, error, milliseconds)
        SELECT r.id, r.generation, r.claims, {d.now}, r.outcome, r.attempt_cause, r.error, r.milliseconds
        FROM {d.rows(RESULT)} WHERE true
        ON CONFLICT DO NOTHING"""


@Statement
def renew(d: Dialect) -> str:
    """The leases of these claims, passed ones too, while nobody else took the row."""
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id FROM notifications_notification AS n
            JOIN {d.rows(FENCE | {"owner": "text"})} ON {SAME_CLAIM}
            WHERE n.status = '{Status.SENDING}' AND n.owner = r.owner {d.skip_locked}
        )
        UPDATE notifications_notification AS n SET lease_until = {d.later("%(lease)s")}
        FROM picked WHERE n.id = picked.id AND {WITHIN}
        {d.returning("id")}"""


@Statement
def mark_handed(d: Dialect) -> str:
    """These claims are being handed over to their provider."""
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id FROM notifications_notification AS n
            JOIN {d.rows(FENCE)} ON {SAME_CLAIM}
            WHERE n.status = '{Status.SENDING}' {d.skip_locked}
        )
        UPDATE notifications_notification AS n SET handed_at = {d.now}
        FROM picked WHERE n.id = picked.id AND {WITHIN}
        {d.returning("id")}"""


@Statement
def expired_leases(d: Dialect) -> str:
    """Sending rows whose lease has passed, the one that waits longest first, so that none is starved."""
    return _expired_leases(d, d.now)


@Statement
def leases_expired_by(d: Dialect) -> str:
    """The same, by an earlier moment of the database's clock."""
    return _expired_leases(d, "%(moment)s")


def _expired_leases(d: Dialect, moment: str) -> str:
    return f"""
        SELECT n.id, n.generation, n.claims, n.attempts, n.category, n.handed_at IS NOT NULL
        FROM notifications_notification AS n
        WHERE n.lease_until < {moment} AND n.status = '{Status.SENDING}'
        ORDER BY n.lease_until LIMIT %(limit)s {d.skip_locked}"""
