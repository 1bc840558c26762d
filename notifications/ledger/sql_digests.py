"""Digests: who joins one, what becomes of its members when it closes, and when what went out for them has ended.

The table of digests is `n` where it is written or locked. Its rows are locked before those of the ledger, and whoever
locks rows of the ledger here skips those that are locked: so nobody waits for a digest but those who join it.
"""

from __future__ import annotations

from notifications.ledger.columns import FINAL_COLUMNS
from notifications.ledger.sql import ID, WITHIN, names, words
from notifications.messages.words import DigestState, Is, Reason, Status
from project.database.dialects import Dialect, Statement

MOST_MEMBERS = 1000  # after which nobody joins a digest any more, so that closing it is bounded
KEY = dict.fromkeys(("receiver_hash", "username", "channel", "category", "client"), "text")
DIGEST = {"id": "bigint"}
OUTCOME = DIGEST | {"notification_id": "uuid", "status": "text", "reason": "text"}
OF_MEMBER = (
    *("id", "digest_id", "status", "reason", "receiver", "receiver_hash", "priority", "trace_id", "expires_at"),
)
# A member that is part of the digest, or may become one: it waits for nothing else.
WAITS = f"n.status = '{Status.WAITING}' AND n.reason = '{Reason.DIGEST}'"


@Statement
def join(d: Dialect) -> str:
    """The open digests of these keys; a new one where there is none. They stay locked until the transaction ends.

    So nobody closes a digest while a member of it is not committed yet. Who fills one, or comes late, is its last.
    Where it has a limit, its closing is put off up to that: to as long from now as that of a new one.
    """
    columns = names(KEY)
    is_full = f"(n.joined + excluded.joined >= {MOST_MEMBERS} OR n.closes_at <= {d.now})"
    closes_at = d.later("r.closes_in")
    put_off = """CASE
        WHEN n.limit_at IS NULL OR excluded.closes_at <= n.closes_at THEN n.closes_at
        WHEN excluded.closes_at < n.limit_at THEN excluded.closes_at
        ELSE n.limit_at END"""
    last = f"coalesce({d.returned('limit_at')}, {d.returned('closes_at')})"
    given = KEY | {"joined": "integer", "closes_in": "float8", "limit_in": "float8"}
    return f"""
        INSERT INTO notifications_digest AS n ({columns}, joined, state, opened_at, closes_at, limit_at, look_at)
        SELECT {names(KEY, "r")}, r.joined, '{DigestState.OPEN}', {d.now}, {closes_at}, {d.later("r.limit_in")},
            {closes_at}
        FROM {d.rows(given)} WHERE true
        ON CONFLICT ({columns}) WHERE state = '{DigestState.OPEN}' DO UPDATE SET
            joined = n.joined + excluded.joined,
            state = CASE WHEN {is_full} THEN '{DigestState.CLOSING}' ELSE n.state END,
            closes_at = {put_off},
            look_at = CASE WHEN {is_full} THEN {d.now} ELSE {put_off} END
        {d.returning("id", *KEY)}, {d.seconds_until(last)}"""


@Statement
def note_digests(d: Dialect) -> str:
    """Which digest these rows belong to, or are. The caller's transaction has written the rows."""
    return f"""
        UPDATE notifications_notification AS n SET digest_id = r.digest_id
        FROM {d.rows(ID | {"digest_id": "bigint"})} WHERE n.id = r.id AND {WITHIN}"""


@Statement
def out_of_digests(d: Dialect) -> str:
    """Those of these rows that belong to a digest which is closed, and whether they go out by themselves.

    They do where they are what goes out for its members, or where nothing does.
    """
    return f"""
        SELECT n.id, p.notification_id IS NULL OR p.notification_id = n.id
        FROM notifications_notification AS n JOIN {d.rows(ID)} ON n.id = r.id AND {WITHIN}
        JOIN notifications_digest AS p ON p.id = n.digest_id
        WHERE p.state IN ('{DigestState.CLOSED}', '{DigestState.ENDED}')"""


@Statement
def any_to_look_at(d: Dialect) -> str:
    return f"""
        SELECT 1 FROM notifications_digest AS n
        WHERE n.look_at <= {d.now} AND n.state <> '{DigestState.ENDED}' LIMIT 1"""


@Statement
def stop_joining(d: Dialect) -> str:
    """Lets nobody join the digests any more whose time has come. One that somebody joins just now is left."""
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id FROM notifications_digest AS n
            WHERE n.look_at <= {d.now} AND n.state = '{DigestState.OPEN}'
            ORDER BY n.look_at LIMIT %(limit)s {d.skip_locked}
        )
        UPDATE notifications_digest AS n SET state = '{DigestState.CLOSING}'
        FROM picked WHERE n.id = picked.id AND n.state = '{DigestState.OPEN}'
        {d.returning("id")}"""


@Statement
def closing(d: Dialect) -> str:
    """Locks the next digests that are to be closed."""
    return f"""
        SELECT n.id, {names(KEY, "n")}, n.joined FROM notifications_digest AS n
        WHERE n.look_at <= {d.now} AND n.state = '{DigestState.CLOSING}'
        ORDER BY n.look_at LIMIT %(limit)s {d.skip_locked}"""


@Statement
def members(d: Dialect) -> str:
    """Locks the rows of these digests, all that nobody else has locked, in the order accepted."""
    return f"""
        SELECT {names(OF_MEMBER, "n")} FROM notifications_notification AS n
        JOIN {d.rows(DIGEST)} ON n.digest_id = r.id
        ORDER BY n.id {d.skip_locked}"""


@Statement
def count_members(d: Dialect) -> str:
    """How many rows these digests have, locked ones too."""
    return f"""
        SELECT n.digest_id, count(*) FROM notifications_notification AS n
        JOIN {d.rows(DIGEST)} ON n.digest_id = r.id GROUP BY n.digest_id"""


@Statement
def beginnings(d: Dialect) -> str:
    """The subjects of these rows, and the first characters of their messages."""
    return f"""
        SELECT n.id, n.subject, substr(n.message, 1, %(longest)s) FROM notifications_notification AS n
        JOIN {d.rows(ID)} ON n.id = r.id AND {WITHIN}"""


@Statement
def move_members(d: Dialect) -> str:
    """What becomes of rows that the caller has locked: `folded`, `alone` (it goes out by itself, now), or `left`."""
    return f"""
        UPDATE notifications_notification AS n
        SET digest_id = CASE r.fate WHEN 'left' THEN NULL ELSE n.digest_id END,
            due_at = CASE r.fate WHEN 'folded' THEN NULL WHEN 'alone' THEN {d.now} ELSE n.due_at END
        FROM {d.rows(ID | {"fate": "text"})} WHERE n.id = r.id AND {WITHIN}"""


@Statement
def end_members(d: Dialect) -> str:
    """Ends rows that the caller has locked, each with its own status and reason."""
    return f"""
        UPDATE notifications_notification AS n
        SET {_ended_as(d, "r")}
        FROM {d.rows(ID | {"status": "text", "reason": "text"})} WHERE n.id = r.id AND {WITHIN}
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def move_digests(d: Dialect) -> str:
    """Where digests that the caller has locked stand now, and in how many seconds somebody looks at them next."""
    columns = DIGEST | {"state": "text", "look_in": "float8", "notification_id": "uuid"}
    return f"""
        UPDATE notifications_digest AS n
        SET state = r.state, look_at = {d.later("r.look_in")},
            notification_id = coalesce(r.notification_id, n.notification_id)
        FROM {d.rows(columns)} WHERE n.id = r.id"""


@Statement
def under_way(d: Dialect) -> str:
    """Locks the next closed digests, with the status of what went out for them and the seconds since they closed."""
    return f"""
        SELECT n.id, n.notification_id, n.joined, m.status, m.reason, -({d.seconds_until("m.accepted_at")})
        FROM notifications_digest AS n
        LEFT JOIN notifications_notification AS m ON m.id = n.notification_id
        WHERE n.look_at <= {d.now} AND n.state = '{DigestState.CLOSED}'
        ORDER BY n.look_at LIMIT %(limit)s {d.skip_locked}"""


@Statement
def end_all(d: Dialect) -> str:
    """Ends the members of these digests, but those that somebody else has locked, as each digest says."""
    return f"""
        WITH picked AS MATERIALIZED (
            SELECT n.id, r.status, r.reason FROM notifications_notification AS n
            JOIN {d.rows(OUTCOME)} ON n.digest_id = r.id AND n.id <> r.notification_id
            WHERE {WAITS} {d.skip_locked}
        )
        UPDATE notifications_notification AS n
        SET {_ended_as(d, "picked")}
        FROM picked WHERE n.id = picked.id
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def unended(d: Dialect) -> str:
    """Those of these digests that have members left which have come to no end."""
    return f"""
        SELECT DISTINCT n.digest_id FROM notifications_notification AS n
        JOIN {d.rows(OUTCOME)} ON n.digest_id = r.id AND n.id <> r.notification_id
        WHERE n.status NOT IN ({words(Is.FINAL)})"""


def _ended_as(d: Dialect, source: str) -> str:
    """Returns the assignments by which a row ends with the status and the reason of `source`."""
    listed = f"CASE WHEN {source}.status IN ({words(Is.RARE)}) THEN {source}.status END"
    return f"""
        status = {source}.status, listed = {listed}, reason = {source}.reason, due_at = NULL, deferred_since = NULL,
        owner = NULL, lease_until = NULL, settled_at = {d.now}"""
