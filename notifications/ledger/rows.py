"""The bulk SQL of the ledger: its rows, inserting and claiming. Settling is in settle.py, what is due in due.py.

Every function raises what the database raises when it cannot be reached; the caller repeats it. What a row
itself is refused for never leaves here: the batch is bisected and the culprit set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal
from uuid import UUID

import msgspec
from django.db import transaction

from notifications.channels.outcomes import Cause, Outcome
from notifications.ledger.hooks import FinalRow, Hooks, Unclaimable, tell_final
from notifications.messages.message import Message
from notifications.messages.words import Status
from project import metrics
from project.database.dialects import REFUSALS, as_json, as_time, as_uuid, dialect, fetch, repeated

TABLE = "notifications_notification"
LONGEST_ERROR = 1000
# What a statement says beside a join on ids, with their `span`: PostgreSQL then leaves out the other partitions.
WITHIN = "n.id BETWEEN %s AND %s"


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A readable record, as the claim takes it."""

    message: Message
    topic: str
    partition: int
    offset: int
    trace_id: str
    value: bytes


class Fence(msgspec.Struct, frozen=True, gc=False):
    """Names one claim of one row. Whatever settles must match it; a newer claim or replay makes it stale."""

    id: UUID
    generation: int
    claims: int


class Claimed(Fence, frozen=True, gc=False):
    """A row this process may send until its lease passes: what the database returned, not what the record said."""

    channel: str
    receiver: str
    receiver_hash: str
    subject: str
    message: str
    html: str
    user: str
    client: str
    category: str
    priority: str
    trace_id: str
    attempts: int
    reason: str  # why it was waiting before, or ""
    expires_in: float | None  # seconds from the claim
    accepted_at: float  # seconds since the epoch
    owner: str
    throttled: int = 0  # how many of its attempts were answered "slow down"


class _NewRow(msgspec.Struct):
    id: str
    generation: int
    channel: str
    receiver: str
    receiver_hash: str
    subject: str
    message: str
    html: str
    user: str
    client: str
    reference: str
    category: str
    priority: str
    accepted_at: str | None
    expires_at: str | None
    topic: str
    partition: int | None
    offset: int | None
    trace_id: str


_NEW_COLUMNS = {
    "id": "uuid",
    "generation": "integer",
    **dict.fromkeys(("channel", "receiver", "receiver_hash", "subject", "message", "html", "user"), "text"),
    **dict.fromkeys(("client", "reference", "category", "priority"), "text"),
    "accepted_at": "timestamptz",
    "expires_at": "timestamptz",
    "topic": "text",
    "partition": "integer",
    "offset": "bigint",
    "trace_id": "text",
}
_QUOTED = ", ".join(f'"{name}"' for name in _NEW_COLUMNS)
_FROM_R = ", ".join(f'r."{name}"' for name in _NEW_COLUMNS)
FINAL_COLUMNS = ("id", "status", "channel", "last_cause", "last_error", "attempts", "topic", '"partition"', '"offset"')


def insert(messages: Iterable[tuple[Message, str]], status: Literal[Status.ACCEPTED, Status.QUEUED]) -> None:
    """Rows for (message, trace id) pairs: of the outbox (`accepted`, due now) or of the embedded queue.

    A row that is there already stands: a conflict is success.
    """
    d = dialect()
    rows = [_new_row(message, trace_id=trace_id) for message, trace_id in messages]
    due_at = d.now if status is Status.ACCEPTED else "NULL"
    fetch(
        f"INSERT INTO {TABLE} ({_QUOTED}, {_REST})"
        f" SELECT {_FROM_R}, {_REST_VALUES.format(status=status, claims=0, due_at=due_at, owner='NULL', lease='NULL')}"
        f" FROM {d.rows(_NEW_COLUMNS)} WHERE true ON CONFLICT (id) DO NOTHING",
        [as_json(rows)],
    )


# The columns an insert sets besides those of the record; raw SQL does not know Django's defaults.
_REST = (
    "status, claims, due_at, owner, lease_until, reason, attempts, uncertain_count,"
    " provider, provider_message_id, last_cause, last_error"
)
_REST_VALUES = "'{status}', {claims}, {due_at}, {owner}, {lease}, '', 0, 0, '', '', '', ''"


def claim(
    batch: Sequence[Incoming],
    *,
    owner: str,
    lease: float,
    hooks: Hooks,
    unreadable: Sequence[Unclaimable] = (),
    gate: Callable[[list[Claimed]], list[Claimed]] = list,
) -> list[Claimed]:
    """Claims a batch for `owner`, a token of this batch, for `lease` seconds.

    `gate` is called with the rows that were claimed, in record order, inside the claim's transaction; without it all
    of them go. Returns the rows that it returned.

    Rows that are sending elsewhere, settled, or of another generation are not claimed: duplicates. Repeating
    a claim whose COMMIT answer was lost returns the same rows. Records that cannot become rows go to the
    hooks in the same transaction, so that the offset may move past them.
    """
    newest: dict[UUID, Incoming] = {}
    for incoming in batch:
        seen = newest.get(incoming.message.id)
        if seen is None or seen.message.generation < incoming.message.generation:
            newest[incoming.message.id] = incoming
    rows = list(newest.values())
    order = {incoming.message.id: position for position, incoming in enumerate(rows)}

    def in_order(claimed: list[Claimed]) -> list[Claimed]:
        return gate(sorted(claimed, key=lambda row: order[row.id]))

    work = partial(_claim, owner=owner, lease=lease)
    go, claimed, refused = repeated(lambda: _claim_batch(rows, list(unreadable), work, in_order, hooks))
    if duplicates := len(batch) - claimed - refused:
        metrics.duplicates.labels(batch[0].message.channel).inc(duplicates)
    return go


def _claim_batch(
    batch: list[Incoming],
    unclaimable: list[Unclaimable],
    work: Callable[[list[Incoming]], list[Claimed]],
    gate: Callable[[list[Claimed]], list[Claimed]],
    hooks: Hooks,
) -> tuple[list[Claimed], int, int]:
    """Claims in one transaction. Returns the rows that may go, how many were claimed and how many were refused.

    Nearly always one statement; savepoints cost two more trips to the database, so only a refusal has them.
    """
    if batch and not unclaimable:
        with suppress(*REFUSALS), transaction.atomic():
            claimed = work(batch)
            return gate(claimed), len(claimed), 0
    with transaction.atomic():
        claimed, refused = around_culprits(batch, work) if batch else ([], [])
        _bury(unclaimable + [_refused(incoming, error) for incoming, error in refused], hooks)
        return gate(claimed), len(claimed), len(refused)


def _bury(unclaimable: list[Unclaimable], hooks: Hooks) -> None:
    """End the rows of records that cannot be claimed, where there are rows; tell the hooks of the others."""
    if not unclaimable:
        return
    transaction.on_commit(partial(_count_unclaimable, unclaimable))
    d = dialect()
    said = {record.id: record for record in unclaimable if record.id}
    rows = [{"id": id.hex, "cause": record.cause, "error": record.error} for id, record in said.items()]
    columns = {"id": "uuid", "cause": "text", "error": "text"}
    ended = fetch(
        f"UPDATE {TABLE} AS n SET status = '{Status.DEAD}', last_cause = r.cause, last_error = r.error, owner = NULL,"
        f" lease_until = NULL, due_at = NULL, reason = '', settled_at = {d.now} FROM {d.rows(columns)}"
        f" WHERE n.id = r.id AND {WITHIN} AND n.status = '{Status.QUEUED}' {d.returning(*FINAL_COLUMNS)}",
        [as_json(rows), *span(id.hex for id in said)],
    )
    final = [final_row(row) for row in ended]
    tell_final(final, hooks)
    buried = {row.id for row in final}
    if without_row := [record for record in unclaimable if record.id not in buried]:
        hooks.on_unclaimable(without_row)


def around_culprits(
    batch: list[Any], work: Callable[[list[Any]], list[Any]]
) -> tuple[list[Any], list[tuple[Any, Exception]]]:
    """`work` on the batch inside savepoints, in halves around what the database refuses: (results, refused)."""
    try:
        with transaction.atomic():
            return work(batch), []
    except REFUSALS as error:
        if len(batch) == 1:
            return [], [(batch[0], error)]
    middle = len(batch) // 2
    left, left_refused = around_culprits(batch[:middle], work)
    right, right_refused = around_culprits(batch[middle:], work)
    return left + right, left_refused + right_refused


_CLAIMED_COLUMNS = (
    *("id", "generation", "claims", "channel", "receiver", "receiver_hash", "subject", "message", "html"),
    *('"user"', "client", "category", "priority", "trace_id", "attempts", "reason"),
)
_CLAIMED_FIELDS = tuple(column.strip('"') for column in _CLAIMED_COLUMNS)


# Counted only for what was put off unspent, which is rare; the attempts are few and found by an index.
_THROTTLED = (
    "CASE WHEN {n}.deferred_since IS NULL THEN 0 ELSE (SELECT count(*) FROM notifications_attempt AS a"
    " WHERE a.notification_id = {n}.id AND a.notification_id BETWEEN %s AND %s AND a.generation = {n}.generation"
    f" AND a.outcome = '{Outcome.THROTTLED}') END"
)


def _claim(batch: list[Incoming], owner: str, lease: float) -> list[Claimed]:
    d = dialect()
    values = _REST_VALUES.format(status=Status.SENDING, claims=1, due_at="NULL", owner="%s", lease=d.later.format("%s"))
    sooner = d.returning_seconds_until("expires_at")
    new = [_incoming_row(incoming) for incoming in batch]
    rows = fetch(
        f"INSERT INTO {TABLE} AS n ({_QUOTED}, {_REST}) SELECT {_FROM_R}, {values}"
        f" FROM {d.rows(_NEW_COLUMNS)} WHERE true"
        f" ON CONFLICT (id) DO UPDATE SET status = '{Status.SENDING}', owner = excluded.owner,"
        f" lease_until = excluded.lease_until, due_at = NULL, handed_at = NULL,"
        f' topic = excluded.topic, "partition" = excluded."partition", "offset" = excluded."offset",'
        f" claims = n.claims + CASE WHEN n.status = '{Status.QUEUED}' THEN 1 ELSE 0 END"
        f" WHERE n.generation = excluded.generation AND (n.status = '{Status.QUEUED}'"
        f" OR (n.status = '{Status.SENDING}' AND n.owner = excluded.owner))"
        f" {d.returning(*_CLAIMED_COLUMNS)}, {_THROTTLED.format(n=d.returned(TABLE))}, {sooner}",
        [owner, lease, as_json(new), *span(row.id for row in new)],
    )
    accepted = {incoming.message.id: incoming.message.accepted_at.timestamp() for incoming in batch}
    return [_claimed(row, accepted, owner) for row in rows]


def _claimed(row: tuple[Any, ...], accepted: dict[UUID, float], owner: str) -> Claimed:
    *columns, throttled, expires_in = row
    fields = dict(zip(_CLAIMED_FIELDS, columns, strict=True)) | {"id": as_uuid(row[0])}
    accepted_at = accepted[fields["id"]]
    return Claimed(**fields, throttled=throttled, expires_in=expires_in, accepted_at=accepted_at, owner=owner)


def _count_unclaimable(records: Sequence[Unclaimable]) -> None:
    for record in records:
        metrics.unclaimable.labels(record.cause).inc()


def final_row(row: tuple[Any, ...]) -> FinalRow:
    return FinalRow(as_uuid(row[0]), *row[1:])


def _incoming_row(incoming: Incoming) -> _NewRow:
    return _new_row(incoming.message, incoming.topic, incoming.partition, incoming.offset, incoming.trace_id)


def _new_row(
    message: Message, topic: str = "", partition: int | None = None, offset: int | None = None, trace_id: str = ""
) -> _NewRow:
    return _NewRow(
        id=message.id.hex,
        generation=message.generation,
        channel=message.channel,
        receiver=message.receiver,
        receiver_hash=message.receiver_hash,
        subject=message.subject,
        message=message.message,
        html=message.html,
        user=message.user,
        client=message.client,
        reference=message.reference,
        category=message.category,
        priority=message.priority,
        accepted_at=as_time(message.accepted_at),
        expires_at=as_time(message.expires_at),
        topic=topic,
        partition=partition,
        offset=offset,
        trace_id=trace_id,
    )


def span(ids: Iterable[str]) -> tuple[str, str]:
    """Returns the first and the last of the ids (in hex), for WITHIN; a span of no row where there is none."""
    ordered = sorted(ids) or ["0" * 32]
    return ordered[0], ordered[-1]


def clean(text: str, longest: int) -> str:
    """Provider's text as a column can hold it: no NUL, no lone surrogate, cut."""
    return text[:longest].replace("\x00", "").encode(errors="replace").decode() if text else ""


def _refused(incoming: Incoming, error: Exception) -> Unclaimable:
    return Unclaimable(
        cause=Cause.REFUSED_BY_DATABASE,
        error=clean(str(error), LONGEST_ERROR),
        channel=incoming.message.channel,
        topic=incoming.topic,
        partition=incoming.partition,
        offset=incoming.offset,
        value=incoming.value,
        id=incoming.message.id,
    )
