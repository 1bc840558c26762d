"""What the scheduler and the embedded queue's consumers take, and how rows end that nobody claims."""

from __future__ import annotations

from notifications.channels.outcomes import Cause
from notifications.ledger.columns import FINAL_COLUMNS
from notifications.ledger.sql import ENDED, FITTING, ID, TAKEN_COLUMNS, WITHIN, listing, names, stands, words
from notifications.messages.words import Is, Reason, Status, Waits, reasons
from notifications.models import Category
from project.database.dialects import Dialect, Statement

REPUBLISH_AFTER = 5.0  # seconds, where the broker did not acknowledge
TAKEN = listing(Status.QUEUED, leased=True)
# The list finds a row, its status decides: a process of an older version changes the status, and not the list.
IS_TAKEN = f"n.listed = {TAKEN} AND n.status = '{Status.QUEUED}'"
PURPOSES = ", ".join(f"'{reason}'" for reason in reasons(Waits.ON_PURPOSE))
IS_FREE = f"n.listed = {listing(Status.QUEUED)} AND n.status = '{Status.QUEUED}' AND n.owner IS NULL"
OFFERED = f"{stands(Status.QUEUED)}, owner = NULL, lease_until = NULL"


@Statement
def anything_due(d: Dialect) -> str:
    """Whether `expire`, `take_due` or `take_unpublished` would find a row: all that they take fulfils one of these.

    Each part reads its index in order. With EXISTS a planner whose statistics are of an hour ago, when much was due,
    expects the first row it reads to be one, and reads a whole partition where none is.
    """
    first = "SELECT true FROM notifications_notification AS n WHERE n.id >= %(since)s AND"
    return f"""
        SELECT coalesce(
            ({first} {_is_due(d)} ORDER BY n.due_at LIMIT 1),
            ({first} {_is_unpublished(d)} ORDER BY n.id LIMIT 1),
            false)"""


@Statement
def take_due(d: Dialect) -> str:
    """Waiting rows and those of the outbox that are due, the earliest first, until their texts fill a round."""
    return f"""
        WITH first AS MATERIALIZED (
            SELECT n.id, n.due_at AS place, {_bytes(d)} AS bytes FROM notifications_notification AS n
            WHERE {_is_due(d)} AND n.id >= %(since)s
            ORDER BY n.due_at, n.id LIMIT %(limit)s {d.skip_locked}
        ), {FITTING}
        {_lease_picked(d)}"""


@Statement
def take_unpublished(d: Dialect) -> str:
    """Rows that were taken to be published and whose lease has passed without an acknowledgement.

    In the order accepted, as the index has them: after `requeue` they may be a million, too many to sort each round.
    """
    return f"""
        WITH first AS MATERIALIZED (
            SELECT n.id, n.id AS place, {_bytes(d)} AS bytes FROM notifications_notification AS n
            WHERE {_is_unpublished(d)} AND n.id >= %(since)s
            ORDER BY n.id LIMIT %(limit)s {d.skip_locked}
        ), {FITTING}
        {_lease_picked(d)}"""


def _is_due(d: Dialect) -> str:
    return f"n.due_at <= {d.now} AND n.status IN ({words(Is.DUE)})"


def _is_unpublished(d: Dialect) -> str:
    return f"{IS_TAKEN} AND n.lease_until < {d.now}"


def _bytes(d: Dialect) -> str:
    """Of a row's texts. They are known without reading them (on PostgreSQL)."""
    return f"{d.size('n.message')} + {d.size('n.html')}"


def _lease_picked(d: Dialect) -> str:
    return f"""
        UPDATE notifications_notification AS n
        SET {stands(Status.QUEUED, leased=True)}, due_at = NULL, owner = %(owner)s, lease_until = {d.later("%(lease)s")}
        FROM picked WHERE n.id = picked.id AND n.id >= %(since)s
        {d.returning(*TAKEN_COLUMNS)}"""


@Statement
def mark_published(d: Dialect) -> str:
    """Ends the lease of rows that were acknowledged; one that was claimed meanwhile is left alone."""
    return _change_mine(d, OFFERED)


@Statement
def take_again_soon(d: Dialect) -> str:
    """Shortens the lease of rows that were not acknowledged."""
    return _change_mine(d, f"lease_until = {d.later(str(REPUBLISH_AFTER))}")


def _change_mine(d: Dialect, change: str) -> str:
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id FROM notifications_notification AS n
            JOIN {d.rows(ID)} ON n.id = r.id AND {WITHIN}
            WHERE n.status = '{Status.QUEUED}' AND n.owner = %(owner)s {d.skip_locked}
        )
        UPDATE notifications_notification AS n SET {change}
        FROM picked WHERE n.id = picked.id AND {WITHIN}
        {d.returning("id")}"""


@Statement
def end_refused(d: Dialect) -> str:
    """Ends rows that the broker will never take."""
    return f"""
        UPDATE notifications_notification AS n
        SET {stands(Status.DEAD)}, last_cause = '{Cause.REFUSED_BY_KAFKA}', last_error = r.error,
            {ENDED}, settled_at = {d.now}
        FROM {d.rows({"id": "uuid", "error": "text"})}
        WHERE n.id = r.id AND {WITHIN} AND n.status = '{Status.QUEUED}' AND n.owner = %(owner)s
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def expire(d: Dialect) -> str:
    """Ends rows that are due and past their `expires_at`."""
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id FROM notifications_notification AS n
            WHERE {_is_due(d)} AND n.expires_at <= {d.now} AND n.id >= %(since)s
            LIMIT %(limit)s {d.skip_locked}
        )
        UPDATE notifications_notification AS n
        SET {stands(Status.EXPIRED)}, {ENDED}, settled_at = {d.now}
        FROM picked WHERE n.id = picked.id AND n.id >= %(since)s
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def give_up(d: Dialect) -> str:
    """Ends rows that were put off, unspent, for longer than our patience. What waits on purpose is left alone."""
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id FROM notifications_notification AS n
            WHERE n.deferred_since < {d.later("-(%(patience)s)")} AND n.status IN ({words(Is.MAY_BE_GIVEN_UP)})
            AND n.reason NOT IN ({PURPOSES})
            LIMIT %(limit)s {d.skip_locked}
        )
        UPDATE notifications_notification AS n
        SET {stands(Status.DEAD)},
            last_error = CASE WHEN n.last_error = '' THEN 'The provider did not recover in time.'
                ELSE n.last_error END,
            last_cause = CASE WHEN n.last_cause = '{Cause.MAILBOX_FULL}' THEN n.last_cause
                WHEN n.reason = '{Reason.THROTTLED}' THEN '{Cause.THROTTLED}'
                ELSE '{Cause.PROVIDER_OUTAGE}' END,
            {ENDED}, settled_at = {d.now}
        FROM picked WHERE n.id = picked.id
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def hold_unfinished(d: Dialect) -> str:
    """Ends the next rows that may have been sent since a backup, of the categories in which a person decides."""
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id FROM notifications_notification AS n
            JOIN notifications_category AS c ON c.name = n.category AND c.on_uncertain = '{Category.OnUncertain.HOLD}'
            WHERE n.id > %(after)s AND n.status NOT IN ({words(Is.FINAL)}) AND (n.due_at IS NULL OR n.due_at <= {d.now})
            ORDER BY n.id LIMIT %(limit)s
        )
        UPDATE notifications_notification AS n
        SET {stands(Status.HELD)}, {ENDED}, settled_at = {d.now}, uncertain_count = n.uncertain_count + 1,
            last_cause = '{Cause.OUTCOME_UNKNOWN}', last_error = %(why)s
        FROM picked WHERE n.id = picked.id
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def relist(d: Dialect) -> str:
    """Lists rows of a range as their status says, where a version that knew no lists has written them."""
    right = (
        f"CASE WHEN n.status = '{Status.QUEUED}' AND n.owner IS NOT NULL THEN {TAKEN}"
        f" WHEN n.status IN ('{Status.QUEUED}', {words(Is.RARE)}) THEN n.status END"
    )
    return f"""
        UPDATE notifications_notification AS n SET listed = {right}
        WHERE {WITHIN} AND coalesce(n.listed, '') <> coalesce({right}, '')
        {d.returning("id")}"""


@Statement
def clock(d: Dialect) -> str:
    return f"SELECT {d.now}"


@Statement
def queued(d: Dialect) -> str:
    """Queued rows that nobody has, in the order accepted."""
    return f"""
        WITH first AS MATERIALIZED (
            SELECT n.id, n.id AS place, {_bytes(d)} AS bytes FROM notifications_notification AS n
            WHERE n.channel = %(channel)s AND n.priority = %(priority)s
            AND {IS_FREE}
            ORDER BY n.id LIMIT %(limit)s
        ), {FITTING}
        SELECT {names(TAKEN_COLUMNS, "n")}
        FROM notifications_notification AS n JOIN picked ON n.id = picked.id ORDER BY n.id"""


@Statement
def queued_in_turns(d: Dialect) -> str:
    """The same, among the first so many rows, but those whose turn comes first.

    The turn of a row is its place among its client's rows, yet no earlier than that of a row before it of its
    receiver.
    """
    return f"""
        WITH seen AS MATERIALIZED (
            SELECT n.id, n.client, n.receiver_hash FROM notifications_notification AS n
            WHERE n.channel = %(channel)s AND n.priority = %(priority)s
            AND {IS_FREE}
            ORDER BY n.id LIMIT %(look_ahead)s
        ), placed AS (
            SELECT id, receiver_hash, row_number() OVER (PARTITION BY client ORDER BY id) AS place FROM seen
        ), turns AS MATERIALIZED (
            SELECT id, max(place) OVER (PARTITION BY receiver_hash ORDER BY id) AS turn
            FROM placed ORDER BY turn, id LIMIT %(limit)s
        ), first AS MATERIALIZED (
            SELECT t.id, t.turn AS place,
                (SELECT {_bytes(d)} FROM notifications_notification AS n WHERE n.id = t.id) AS bytes
            FROM turns AS t
        ), {FITTING}
        SELECT {names(TAKEN_COLUMNS, "n")}
        FROM notifications_notification AS n JOIN picked ON n.id = picked.id ORDER BY n.id"""


@Statement
def offer(d: Dialect) -> str:
    """Puts leased rows into the embedded queue."""
    return f"""
        UPDATE notifications_notification AS n SET {OFFERED}
        FROM {d.rows(ID)}
        WHERE n.id = r.id AND {WITHIN} AND n.status = '{Status.QUEUED}'"""


@Statement
def requeue(d: Dialect) -> str:
    """Gives queued rows that nobody has a lease that has passed, so that the scheduler publishes them."""
    return f"""
        UPDATE notifications_notification AS n
        SET {stands(Status.QUEUED, leased=True)}, owner = 'requeue', lease_until = {d.later("-1.0")}
        WHERE {IS_FREE}
        {d.returning("id")}"""
