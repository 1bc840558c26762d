"""What the scheduler takes from the ledger: rows due, outbox rows, expired rows, notifications given up.

Rows are chosen by SKIP LOCKED, so that any number of schedulers share the work and none waits for a lock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from notifications.ledger import sql_taking
from notifications.ledger.columns import MESSAGE_COLUMNS, message_of
from notifications.ledger.hooks import Hooks, tell_final
from notifications.ledger.rows import LONGEST_ERROR, clean, final_row
from notifications.messages.ids import span
from notifications.messages.message import Message
from notifications.messages.words import Origin, Reason
from project.database.dialects import as_json, repeated

ROUND_BYTES = 4 * 1024**2  # of texts taken at once for one reason; a scheduler may have 256 MiB
FIRST = UUID(int=0)  # before every id
PUBLISH_LEASE = 30.0  # seconds in which a taken row must be published and marked


@dataclass(frozen=True, slots=True)
class Taken:
    """A row on its way back to its topic; `origin` is the record's header."""

    message: Message
    origin: Origin
    trace_id: str


def anything(*, since: UUID = FIRST) -> bool:
    """Returns whether `expire` or `take_due` would find a row now, locked ones included.

    One look by itself costs a third of what the two cost that find nothing, which write, and on SQLite wait for
    their turn to. But a server that has become read-only answers it, so it does not prove that rows can be taken.
    """
    return bool(sql_taking.anything_due(since=since.hex)[0][0])


def take_due(owner: str, limit: int, *, since: UUID = FIRST) -> list[Taken]:
    """Leases due rows, outbox rows and queued rows whose lease has passed to `owner`. Returns them in order of ids.

    With `since` only rows of that id and later ones, so that PostgreSQL does not look into every partition. Of
    the due the earliest come first, of those whose lease has passed the first accepted: of each up to `limit`, and no
    more once their texts have ROUND_BYTES.

    Committed before anything is published: a crash leaves a queued row whose lease passes, and it is taken
    again. (Publish first and mark later, or mark first without a lease, each strand rows.)
    """
    limits = {"limit": limit, "most_bytes": ROUND_BYTES, "owner": owner, "lease": PUBLISH_LEASE, "since": since.hex}
    rows = sql_taking.take_due(**limits) + sql_taking.take_unpublished(**limits)
    return sorted(map(_taken, rows), key=lambda row: row.message.id)


def mark_published(owner: str, ids: Sequence[UUID]) -> int:
    """End the lease of rows whose publishing was acknowledged; a row claimed in the meantime is left alone."""
    return len(sql_taking.mark_published(**_rows(ids), owner=owner))


def take_again_soon(owner: str, ids: Sequence[UUID]) -> int:
    """Shorten the lease of rows whose publishing was not acknowledged, for somebody to take them again."""
    return len(sql_taking.take_again_soon(**_rows(ids), owner=owner))


def end_refused(owner: str, refused: Mapping[UUID, str], *, hooks: Hooks) -> int:
    """Rows that the broker will never take, each with its reason, end as dead; how many."""
    rows = as_json([{"id": id, "error": clean(why, LONGEST_ERROR)} for id, why in refused.items()])
    ends = span(refused)
    return _end(lambda: sql_taking.end_refused(rows=rows, owner=owner, **ends), hooks)


def expire(limit: int, *, hooks: Hooks, since: UUID = FIRST) -> int:
    """Waiting and outbox rows that are due and past their `expires_at` end as expired; how many."""
    return _end(lambda: sql_taking.expire(limit=limit, since=since.hex), hooks)


def give_up(patience: float, limit: int, *, hooks: Hooks) -> int:
    """Rows put off for longer than `patience` seconds, unspent, end as dead; how many."""
    return _end(lambda: sql_taking.give_up(patience=patience, limit=limit), hooks)


def _end(statement: Callable[[], list[tuple[Any, ...]]], hooks: Hooks) -> int:
    """Run a statement that ends rows, and tell the hooks in its transaction; how many it ended."""

    def end() -> int:
        with transaction.atomic():
            rows = statement()
            tell_final([final_row(row) for row in rows], hooks)
            return len(rows)

    return repeated(end)


def clock() -> Any:
    """The database's time, in the form in which `leases.sweep` takes it back."""
    return sql_taking.clock()[0][0]


def queued(
    channel: str, priority: str, limit: int, *, most_bytes: int, look_ahead: int = 0
) -> list[tuple[Message, str]]:
    """The embedded queue: (message, trace id) of queued rows that nobody has leased, in the order accepted.

    Up to `limit`, and no more once their texts have `most_bytes`. With `look_ahead`, every client has its share of
    them, where it has any among the first so many rows.
    """
    limits = {"channel": channel, "priority": priority, "limit": limit, "most_bytes": most_bytes}
    rows = sql_taking.queued_in_turns(**limits, look_ahead=look_ahead) if look_ahead else sql_taking.queued(**limits)
    return [(taken.message, taken.trace_id) for taken in map(_taken, rows)]


def offer(ids: Sequence[UUID]) -> None:
    """Put leased rows into the embedded queue."""
    sql_taking.offer(**_rows(ids))


def requeue() -> int:
    """Give queued rows without a lease one that has passed, so that the scheduler publishes them; how many."""
    return len(sql_taking.requeue())


def _rows(ids: Sequence[UUID]) -> dict[str, str]:
    return {"rows": as_json([{"id": id} for id in ids]), **span(ids)}


def _taken(row: tuple[Any, ...]) -> Taken:
    message = message_of(row[: len(MESSAGE_COLUMNS)])
    reason, claims, trace_id = row[len(MESSAGE_COLUMNS) :]
    if reason == Reason.REPLAY:
        return Taken(message, Origin.REPLAY, trace_id)
    return Taken(message, Origin.RETRY if claims else Origin.OUTBOX, trace_id)
