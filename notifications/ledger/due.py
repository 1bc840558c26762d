"""What the scheduler takes from the ledger: rows due, outbox rows, expired leases, notifications given up.

Rows are chosen by SKIP LOCKED, so that any number of schedulers share the work and none waits for a lock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from notifications.channels.outcomes import Cause
from notifications.ledger.hooks import Hooks, tell_final
from notifications.ledger.rows import FINAL_COLUMNS, LONGEST_ERROR, TABLE, WITHIN, Fence, clean, final_row, span
from notifications.ledger.settle import Settlement, settle
from notifications.ledger.verdicts import lease_expired
from notifications.messages.message import Message
from notifications.messages.words import Origin, Reason, Status
from notifications.models import Category
from project.database.dialects import as_json, as_uuid, dialect, fetch, from_time, repeated

REPUBLISH_AFTER = 5.0  # seconds, where the broker did not acknowledge
ROUND_BYTES = 4 * 1024**2  # of texts taken at once for one reason; a scheduler may have 256 MiB
PUBLISH_LEASE = 30.0  # seconds in which a taken row must be published and marked
_DUE = f"n.status IN ('{Status.WAITING}', '{Status.ACCEPTED}')"
_ENDED = "reason = '', due_at = NULL, deferred_since = NULL, owner = NULL, lease_until = NULL"
_PICKED = (
    "picked AS MATERIALIZED (SELECT id FROM"
    " (SELECT id, sum(bytes) OVER (ORDER BY place, id) - bytes AS before FROM first) AS n WHERE before < %s)"
)
_MESSAGE_COLUMNS = (
    *("id", "generation", "channel", "receiver", "subject", "message", "html", '"user"', "client", "reference"),
    *("category", "priority", "accepted_at", "expires_at", "reason", "claims", "trace_id"),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A row on its way back to its topic; `origin` is the record's header."""

    message: Message
    origin: Origin
    trace_id: str


def take_due(owner: str, limit: int, *, since: UUID | None = None) -> list[Taken]:
    """Lease due rows, outbox rows and queued rows whose lease has passed to `owner`; the earliest first.

    With `since` only rows of that id and later ones, so that PostgreSQL does not look into every partition.

    For each of the two up to `limit`, and no more once their texts have ROUND_BYTES.

    Committed before anything is published: a crash leaves a queued row whose lease passes, and it is taken
    again. (Publish first and mark later, or mark first without a lease, each strand rows.)
    """
    d = dialect()
    picks = (
        (f"n.due_at <= {d.now} AND {_DUE}", "n.due_at"),
        (f"n.lease_until < {d.now} AND n.status = '{Status.QUEUED}'", "n.lease_until"),
    )
    from_there, first = _from(since)
    taken: list[tuple[Any, ...]] = []
    for where, order in picks:
        taken += fetch(
            f"WITH {_that_fit(where + from_there, order, d.skip_locked)}"
            f" UPDATE {TABLE} AS n SET status = '{Status.QUEUED}', due_at = NULL, owner = %s,"
            f" lease_until = {d.later.format('%s')} FROM picked WHERE n.id = picked.id"
            f" {d.returning(*_MESSAGE_COLUMNS)}",
            [*first, limit, ROUND_BYTES, owner, PUBLISH_LEASE],
        )
    return sorted((_taken(row) for row in taken), key=lambda row: row.message.id)


def _from(since: UUID | None) -> tuple[str, list[str]]:
    """The condition for rows of that id and later ones, and its parameters."""
    return (" AND n.id >= %s", [since.hex]) if since else ("", [])


def _that_fit(where: str, order: str, lock: str = "") -> str:
    """The CTE `picked`: the first rows up to a limit, the last of which brings their texts to a number of bytes."""
    return (
        f"first AS MATERIALIZED (SELECT n.id, {order} AS place, {_size()} AS bytes FROM {TABLE} AS n"
        f" WHERE {where} ORDER BY {order}, n.id LIMIT %s {lock}), {_PICKED}"
    )


def _size() -> str:
    """Of a row's texts. It is known without reading them (on PostgreSQL)."""
    return " + ".join(dialect().size.format(column) for column in ("n.message", "n.html"))


def mark_published(owner: str, ids: Sequence[UUID]) -> int:
    """End the lease of rows whose publishing was acknowledged; a row claimed in the meantime is left alone."""
    return _change_mine(owner, ids, "owner = NULL, lease_until = NULL")


def take_again_soon(owner: str, ids: Sequence[UUID]) -> int:
    """Shorten the lease of rows whose publishing was not acknowledged, for somebody to take them again."""
    return _change_mine(owner, ids, f"lease_until = {dialect().later.format(REPUBLISH_AFTER)}")


def refuse(owner: str, refused: Mapping[UUID, str], *, hooks: Hooks) -> int:
    """Rows that the broker will never take, each with its reason, end as dead; how many."""
    d = dialect()
    said = as_json([{"id": id.hex, "error": clean(why, LONGEST_ERROR)} for id, why in refused.items()])

    def end() -> int:
        with transaction.atomic():
            rows = fetch(
                f"UPDATE {TABLE} AS n SET status = '{Status.DEAD}', last_cause = '{Cause.REFUSED_BY_KAFKA}',"
                f" last_error = r.error, {_ENDED}, settled_at = {d.now} FROM {d.rows({'id': 'uuid', 'error': 'text'})}"
                f" WHERE n.id = r.id AND {WITHIN} AND n.status = '{Status.QUEUED}' AND n.owner = %s"
                f" {d.returning(*FINAL_COLUMNS)}",
                [said, *span(id.hex for id in refused), owner],
            )
            tell_final([final_row(row) for row in rows], hooks)
            return len(rows)

    return repeated(end)


def _change_mine(owner: str, ids: Sequence[UUID], change: str) -> int:
    d = dialect()
    ends = span(id.hex for id in ids)
    return len(
        fetch(
            f"WITH picked AS MATERIALIZED (SELECT n.id FROM {TABLE} AS n"
            f" JOIN {d.rows({'id': 'uuid'})} ON n.id = r.id AND {WITHIN}"
            f" WHERE n.status = '{Status.QUEUED}' AND n.owner = %s"
            f" {d.skip_locked.replace('UPDATE', 'UPDATE OF n')})"
            f" UPDATE {TABLE} AS n SET {change} FROM picked WHERE n.id = picked.id AND {WITHIN}"
            f" {d.returning('id')}",
            [as_json([{"id": id.hex} for id in ids]), *ends, owner, *ends],
        )
    )


def expire(limit: int, *, hooks: Hooks, since: UUID | None = None) -> int:
    """Waiting and outbox rows that are due and past their `expires_at` end as expired; how many."""
    d = dialect()
    from_there, first = _from(since)
    where = f"n.due_at <= {d.now} AND n.expires_at <= {d.now} AND {_DUE}{from_there}"
    return _end(where, limit, f"status = '{Status.EXPIRED}'", first, hooks=hooks)


def give_up(patience: float, limit: int, *, hooks: Hooks) -> int:
    """Rows put off for longer than `patience` seconds, unspent, end as dead; how many."""
    d = dialect()
    where = f"n.deferred_since < {d.later.format('-(%s)')} AND n.status IN ('{Status.WAITING}', '{Status.QUEUED}')"
    ends = (
        f"status = '{Status.DEAD}', last_error = CASE WHEN n.last_error = '' THEN"
        " 'The provider did not recover in time.' ELSE n.last_error END,"
        f" last_cause = CASE WHEN n.last_cause = '{Cause.MAILBOX_FULL}' THEN n.last_cause"
        f" WHEN n.reason = '{Reason.THROTTLED}' THEN '{Cause.THROTTLED}'"
        f" ELSE '{Cause.PROVIDER_OUTAGE}' END"
    )
    return _end(where, limit, ends, [patience], hooks=hooks)


def _end(where: str, limit: int, ends: str, parameters: Sequence[Any] = (), *, hooks: Hooks) -> int:
    d = dialect()

    def end() -> int:
        with transaction.atomic():
            rows = fetch(
                f"WITH picked AS MATERIALIZED (SELECT n.id FROM {TABLE} AS n WHERE {where} LIMIT %s {d.skip_locked})"
                f" UPDATE {TABLE} AS n SET {ends}, {_ENDED}, settled_at = {d.now} FROM picked WHERE n.id = picked.id"
                f" {d.returning(*FINAL_COLUMNS)}",
                [*parameters, limit],
            )
            tell_final([final_row(row) for row in rows], hooks)
            return len(rows)

    return repeated(end)


def clock() -> Any:
    """The database's time, in the form in which `sweep` takes it back."""
    return fetch(f"SELECT {dialect().now}")[0][0]


def sweep(schedule: Sequence[float], limit: int, *, hooks: Hooks, passed_by: Any = None) -> int:
    """Settle rows whose sender let its lease pass (before `passed_by`): their outcome is unknown; how many.

    Each gets an Attempt `lease-expired`. In a `hold` category, rows that were not handed over go back unspent.
    """
    d = dialect()
    moment, parameters = (d.now, []) if passed_by is None else ("%s", [passed_by])
    # Ordered, so that the row that waited longest is never starved; the locks last until the settle commits.
    where = f"n.lease_until < {moment} AND n.status = '{Status.SENDING}' ORDER BY n.lease_until"

    def settle_expired() -> int:
        with transaction.atomic():
            rows = fetch(
                "SELECT n.id, n.generation, n.claims, n.attempts, n.category, n.handed_at IS NOT NULL"
                f" FROM {TABLE} AS n WHERE {where} LIMIT %s {d.skip_locked}",
                [*parameters, limit],
            )
            held = Category.held()
            return len(settle([_expired_lease(row, schedule, held) for row in rows], hooks=hooks)) if rows else 0

    return repeated(settle_expired)


def _expired_lease(row: tuple[Any, ...], schedule: Sequence[float], held: frozenset[str]) -> Settlement:
    id, generation, claims, attempts, category, handed = row
    verdict = lease_expired(attempts=attempts, hold=category in held, handed=bool(handed), schedule=schedule)
    return Settlement(Fence(as_uuid(id), generation, claims), verdict)


def queued(
    channel: str, priority: str, limit: int, *, most_bytes: int, look_ahead: int = 0
) -> list[tuple[Message, str]]:
    """The embedded queue: (message, trace id) of queued rows that nobody holds, in the order accepted.

    Up to `limit`, and no more once their texts have `most_bytes`. With `look_ahead`, every client has its share of
    them, where it has any among the first so many rows.
    """
    where = f"n.channel = %s AND n.priority = %s AND n.status = '{Status.QUEUED}' AND n.owner IS NULL"
    picked = _in_turns_that_fit(where) if look_ahead else _that_fit(where, "n.id")
    rows = fetch(
        f"WITH {picked} SELECT {', '.join(f'n.{column}' for column in _MESSAGE_COLUMNS)}"
        f" FROM {TABLE} AS n JOIN picked ON n.id = picked.id ORDER BY n.id",
        [channel, priority, *([look_ahead] if look_ahead else []), limit, most_bytes],
    )
    return [(taken.message, taken.trace_id) for taken in map(_taken, rows)]


def _in_turns_that_fit(where: str) -> str:
    """The CTE `picked` as above, but of a limited number of rows those whose turn comes first.

    The turn of a row is its place among its client's rows, yet no earlier than that of a row before it of its
    receiver.
    """
    return (
        f"seen AS MATERIALIZED (SELECT n.id, n.client, n.receiver_hash FROM {TABLE} AS n"
        f" WHERE {where} ORDER BY n.id LIMIT %s),"
        " placed AS (SELECT id, receiver_hash, row_number() OVER (PARTITION BY client ORDER BY id) AS place FROM seen),"
        " turns AS MATERIALIZED (SELECT id, max(place) OVER (PARTITION BY receiver_hash ORDER BY id) AS turn"
        " FROM placed ORDER BY turn, id LIMIT %s),"
        " first AS MATERIALIZED (SELECT t.id, t.turn AS place,"
        f" (SELECT {_size()} FROM {TABLE} AS n WHERE n.id = t.id) AS bytes FROM turns AS t), {_PICKED}"
    )


def offer(ids: Sequence[UUID]) -> None:
    """Put leased rows into the embedded queue."""
    d = dialect()
    fetch(
        f"UPDATE {TABLE} AS n SET owner = NULL, lease_until = NULL FROM {d.rows({'id': 'uuid'})}"
        f" WHERE n.id = r.id AND {WITHIN} AND n.status = '{Status.QUEUED}'",
        [as_json([{"id": id.hex} for id in ids]), *span(id.hex for id in ids)],
    )


def requeue() -> int:
    """Give queued rows that nobody holds a lease that has passed, so that the scheduler publishes them; how many."""
    d = dialect()
    return len(
        fetch(
            f"UPDATE {TABLE} AS n SET owner = 'requeue', lease_until = {d.later.format('-1.0')}"
            f" WHERE status = '{Status.QUEUED}' AND owner IS NULL {d.returning('id')}"
        )
    )


def _taken(row: tuple[Any, ...]) -> Taken:
    *columns, accepted_at, expires_at, reason, claims, trace_id = row
    names = [name.strip('"') for name in _MESSAGE_COLUMNS[: len(columns)]]
    fields: dict[str, Any] = dict(zip(names, columns, strict=True)) | {"id": as_uuid(columns[0])}
    fields |= {"accepted_at": from_time(accepted_at), "expires_at": from_time(expires_at)}
    message = Message(**fields)
    if reason == Reason.REPLAY:
        return Taken(message, Origin.REPLAY, trace_id)
    return Taken(message, Origin.RETRY if claims else Origin.OUTBOX, trace_id)
