"""What the scheduler takes from the ledger: rows due, outbox rows, expired leases, notifications given up.

Rows are chosen by SKIP LOCKED, so that any number of schedulers share the work and none waits for a lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from notifications.causes import Cause, Reason, Status
from notifications.ledger import FINAL_COLUMNS, TABLE, Fence, final_row, tell_final
from notifications.message import Message
from notifications.models import Category, Notification
from notifications.retry import lease_expired
from notifications.settlement import Settlement, settle
from notifications.sql import as_json, as_uuid, dialect, fetch, from_time, repeated

REPUBLISH_AFTER = 5.0  # seconds, where the broker did not acknowledge
PUBLISH_LEASE = 30.0  # seconds in which a taken row must be published and marked
_DUE = f"n.status IN ('{Status.WAITING}', '{Status.ACCEPTED}')"
_MESSAGE_COLUMNS = (
    *("id", "generation", "channel", "receiver", "subject", "message", "html", '"user"', "client", "reference"),
    *("category", "priority", "accepted_at", "expires_at", "reason", "claims", "trace_id"),
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A row on its way back to its topic; `origin` is the record's header."""

    message: Message
    origin: str  # outbox, retry, replay
    trace_id: str


def take_due(owner: str, limit: int) -> list[Taken]:
    """Lease due rows, outbox rows and queued rows whose lease has passed to `owner`; the earliest first.

    Committed before anything is published: a crash leaves a queued row whose lease passes, and it is taken
    again. (Publish first and mark later, or mark first without a lease, each strand rows.)
    """
    d = dialect()
    picks = (
        f"n.due_at <= {d.now} AND {_DUE} ORDER BY n.due_at, n.id",
        f"n.lease_until < {d.now} AND n.status = '{Status.QUEUED}' ORDER BY n.lease_until",
    )
    taken: list[tuple[Any, ...]] = []
    for pick in picks:
        taken += fetch(
            f"WITH picked AS MATERIALIZED (SELECT n.id FROM {TABLE} AS n WHERE {pick} LIMIT %s {d.skip_locked})"
            f" UPDATE {TABLE} AS n SET status = '{Status.QUEUED}', due_at = NULL, owner = %s,"
            f" lease_until = {d.later.format('%s')} FROM picked WHERE n.id = picked.id"
            f" {d.returning(*_MESSAGE_COLUMNS)}",
            [limit, owner, PUBLISH_LEASE],
        )
    return sorted((_taken(row) for row in taken), key=lambda row: row.message.id)


def mark_published(owner: str, ids: Sequence[UUID]) -> int:
    """End the lease of rows whose publishing was acknowledged; a row claimed in the meantime is left alone."""
    return _change_mine(owner, ids, "owner = NULL, lease_until = NULL")


def take_again_soon(owner: str, ids: Sequence[UUID]) -> int:
    """Shorten the lease of rows whose publishing was not acknowledged, for somebody to take them again."""
    return _change_mine(owner, ids, f"lease_until = {dialect().later.format(REPUBLISH_AFTER)}")


def _change_mine(owner: str, ids: Sequence[UUID], change: str) -> int:
    d = dialect()
    return len(
        fetch(
            f"WITH picked AS MATERIALIZED (SELECT n.id FROM {TABLE} AS n"
            f" JOIN {d.rows({'id': 'uuid'})} ON n.id = r.id"
            f" WHERE n.status = '{Status.QUEUED}' AND n.owner = %s"
            f" {d.skip_locked.replace('UPDATE', 'UPDATE OF n')})"
            f" UPDATE {TABLE} AS n SET {change} FROM picked WHERE n.id = picked.id {d.returning('id')}",
            [as_json([{"id": id.hex} for id in ids]), owner],
        )
    )


def expire(limit: int) -> int:
    """Waiting and outbox rows that are due and past their `expires_at` end as expired; how many."""
    d = dialect()
    where = f"n.due_at <= {d.now} AND n.expires_at <= {d.now} AND {_DUE}"
    return _end(where, limit, f"status = '{Status.EXPIRED}', reason = ''")


def give_up(patience: float, limit: int) -> int:
    """Rows put off for longer than `patience` seconds, none of it their fault, end as dead; how many."""
    d = dialect()
    where = f"n.deferred_since < {d.later.format('-(%s)')} AND n.status IN ('{Status.WAITING}', '{Status.QUEUED}')"
    ends = (
        f"status = '{Status.DEAD}', last_error = CASE WHEN n.last_error = '' THEN"
        " 'The provider did not recover in time.' ELSE n.last_error END,"
        f" last_cause = CASE n.reason WHEN '{Reason.THROTTLED}' THEN '{Cause.THROTTLED}'"
        f" ELSE '{Cause.PROVIDER_OUTAGE}' END, reason = ''"
    )
    return _end(where, limit, ends, [patience])


def _end(where: str, limit: int, ends: str, parameters: Sequence[Any] = ()) -> int:
    d = dialect()

    def end() -> int:
        with transaction.atomic():
            rows = fetch(
                f"WITH picked AS MATERIALIZED (SELECT n.id FROM {TABLE} AS n WHERE {where} LIMIT %s {d.skip_locked})"
                f" UPDATE {TABLE} AS n SET {ends}, due_at = NULL, deferred_since = NULL, owner = NULL,"
                f" lease_until = NULL, settled_at = {d.now} FROM picked WHERE n.id = picked.id"
                f" {d.returning(*FINAL_COLUMNS)}",
                [*parameters, limit],
            )
            tell_final([final_row(row) for row in rows])
            return len(rows)

    return repeated(end)


def clock() -> Any:
    """The database's time, in the form in which `sweep` takes it back."""
    return fetch(f"SELECT {dialect().now}")[0][0]


def sweep(schedule: Sequence[float], limit: int, *, passed_by: Any = None) -> int:
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
            return len(settle([_expired_lease(row, schedule, held) for row in rows])) if rows else 0

    return repeated(settle_expired)


def _expired_lease(row: tuple[Any, ...], schedule: Sequence[float], held: frozenset[str]) -> Settlement:
    id, generation, claims, attempts, category, handed = row
    verdict = lease_expired(attempts=attempts, hold=category in held, handed=bool(handed), schedule=schedule)
    return Settlement(Fence(as_uuid(id), generation, claims), verdict)


def queued(channel: str, priority: str, limit: int) -> list[tuple[Message, str]]:
    """The embedded queue: (message, trace id) of queued rows that nobody holds, in the order accepted."""
    rows = Notification.objects.filter(
        channel=channel, priority=priority, status=Status.QUEUED, owner__isnull=True
    ).order_by("id")[:limit]
    return [(_message(row), row.trace_id) for row in rows]


def requeue() -> int:
    """Give queued rows that nobody holds a lease that has passed, so that the scheduler publishes them; how many."""
    d = dialect()
    return len(
        fetch(
            f"UPDATE {TABLE} AS n SET owner = 'requeue', lease_until = {d.later.format('-1.0')}"
            f" WHERE status = '{Status.QUEUED}' AND owner IS NULL {d.returning('id')}"
        )
    )


def _message(row: Notification) -> Message:
    return Message(
        **{name: getattr(row, name) for name in Message.__struct_fields__ if name != "v"},
    )


def _taken(row: tuple[Any, ...]) -> Taken:
    *columns, accepted_at, expires_at, reason, claims, trace_id = row
    names = [name.strip('"') for name in _MESSAGE_COLUMNS[: len(columns)]]
    fields: dict[str, Any] = dict(zip(names, columns, strict=True)) | {"id": as_uuid(columns[0])}
    fields |= {"accepted_at": from_time(accepted_at), "expires_at": from_time(expires_at)}
    message = Message(**fields)
    if reason == Reason.REPLAY:
        return Taken(message, "replay", trace_id)
    return Taken(message, "retry" if claims else "outbox", trace_id)
