"""How claims are settled, and what notes meanwhile that they go on."""

from __future__ import annotations

from notifications.ledger.columns import FINAL_COLUMNS
from notifications.ledger.sql import FENCE, FINAL, ID, RESULT, SAME_CLAIM, SENT, WITHIN, stands, words
from notifications.messages.words import Is, Reason, Status
from project.database.dialects import Dialect, Statement


@Statement
def settle_sent(d: Dialect) -> str:
    """The many. No row comes back but its last cause, for only what failed once can have a dead letter."""
    return f"""
        UPDATE notifications_notification AS n
        SET {stands(Status.SENT)}, reason = '', due_at = NULL, deferred_since = NULL,
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

    An expiry before the retry is when the scheduler looks next. What is scheduled is due at the very time that its
    client gave, which the seconds from the claim are not.
    """
    due_at = f"CASE WHEN r.reason = '{Reason.SCHEDULED}' THEN n.send_at ELSE {d.later('r.due_in')} END"
    return f"""
        UPDATE notifications_notification AS n
        SET status = r.status, listed = CASE WHEN r.status IN ({words(Is.RARE)}) THEN r.status END,
            reason = r.reason, owner = NULL, lease_until = NULL,
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
def passed_leases(d: Dialect) -> str:
    """Leases as they were noted at their claims, whose time to be looked at has come."""
    return f"""
        SELECT n.id, n.owner, n.first, n.last, n.ids FROM notifications_lease AS n
        WHERE n.look_at < coalesce(%(moment)s, {d.now})
        ORDER BY n.look_at LIMIT %(limit)s {d.skip_locked}"""


@Statement
def still_sending(d: Dialect) -> str:
    """Those of these rows that are being sent, which is hardly any: most have ended long before their lease."""
    return f"""
        SELECT n.id, n.owner, n.lease_until
        FROM notifications_notification AS n JOIN {d.rows(ID)} ON n.id = r.id AND {WITHIN}
        WHERE n.status = '{Status.SENDING}'"""


@Statement
def expired_leases(d: Dialect) -> str:
    """Those of these rows that are sending still and whose lease has passed, the one that waits longest first.

    One without an end, which only somebody's hand can write, has passed.
    """
    return f"""
        SELECT n.id, n.generation, n.claims, n.attempts, n.category, n.handed_at IS NOT NULL
        FROM notifications_notification AS n JOIN {d.rows(ID)} ON n.id = r.id AND {WITHIN}
        WHERE n.status = '{Status.SENDING}'
        AND (n.lease_until < coalesce(%(moment)s, {d.now}) OR n.lease_until IS NULL)
        ORDER BY n.lease_until LIMIT %(limit)s {d.skip_locked}"""


@Statement
def look_later(d: Dialect) -> str:
    """Has the sweep come back to these leases when the first of their rows may have expired.

    Never at once: rows that it could not settle, because they are locked, would keep it from the others for ever.
    """
    soon = d.later("1.0")
    return f"""
        UPDATE notifications_lease AS n SET look_at = CASE WHEN r.look_at > {soon} THEN r.look_at ELSE {soon} END
        FROM {d.rows({"id": "bigint", "look_at": "timestamptz"})} WHERE n.id = r.id"""


@Statement
def forget_leases(d: Dialect) -> str:
    """Removes leases of which no row is sending any more."""
    return f"""
        DELETE FROM notifications_lease WHERE id IN (SELECT r.id FROM {d.rows({"id": "bigint"})})"""
