"""Claiming: a batch of records becomes rows that this process may send, in one durable step.

Raises what the database raises when it cannot be reached; the caller repeats it. What a row itself is refused for
never leaves here: the batch is bisected and the culprit set aside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from django.db import transaction

from notifications.channels.outcomes import Cause
from notifications.ledger import leases, sql_claiming
from notifications.ledger.cancel import meet_stubs
from notifications.ledger.columns import new_row
from notifications.ledger.culprits import around_culprits
from notifications.ledger.hooks import Hooks, Unclaimable, tell_final, tell_unclaimable
from notifications.ledger.rows import (
    LONGEST_ERROR,
    Claimed,
    Incoming,
    clean,
    final_row,
)
from notifications.messages.ids import span
from project import metrics
from project.database.dialects import REFUSALS, as_json, as_uuid, dialect, repeated


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

    Rows that are sending elsewhere, settled, cancelled or of another generation are not claimed: duplicates. Repeating
    a claim whose COMMIT answer was lost returns the same rows. Records that cannot become rows go to the
    hooks in the same transaction, so that the offset may move past them.
    """
    newest: dict[int, Incoming] = {}  # by the number of the id, for a UUID computes its hash anew each time
    for incoming in batch:
        number = incoming.message.id.int
        seen = newest.get(number)
        if seen is None or seen.message.generation < incoming.message.generation:
            newest[number] = incoming
    rows = list(newest.values())

    def in_order(claimed: list[Claimed]) -> list[Claimed]:
        if [row.id.int for row in claimed] == list(newest):  # as nearly always: the statement gives them as it got them
            return gate(claimed)
        order = {number: position for position, number in enumerate(newest)}
        return gate(sorted(claimed, key=lambda row: order[row.id.int]))

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


def _claim(batch: list[Incoming], owner: str, lease: float) -> list[Claimed]:
    """Claims what is free of the batch; what is not is looked at again only where somebody has cancelled it."""
    leases.note((one.message.id for one in batch), owner=owner, seconds=lease)
    claimed = _take(batch, owner, lease)
    if len(claimed) < len(batch):
        mine = {row.id for row in claimed}
        if free := meet_stubs([one for one in batch if one.message.id not in mine]):
            claimed += _take(free, owner, lease)
    return claimed


def _take(batch: list[Incoming], owner: str, lease: float) -> list[Claimed]:
    records = [new_row(one.message, one.topic, one.partition, one.offset, one.trace_id) for one in batch]
    ends = span(one.message.id for one in batch)
    found = sql_claiming.claim(owner=owner, lease=lease, **ends, **dialect().as_lines(records))
    return [Claimed(*(as_uuid(row[0]), *row[1:], owner)) for row in found]


def _bury(unclaimable: list[Unclaimable], hooks: Hooks) -> None:
    """Ends the rows of records that cannot be claimed, where there are rows, and tells the hooks of the others."""
    if not unclaimable:
        return
    named = {record.id: record for record in unclaimable if record.id}
    rows = [{"id": id, "cause": record.cause, "error": record.error} for id, record in named.items()]
    final = [final_row(row) for row in sql_claiming.bury(rows=as_json(rows), **span(named))]
    tell_final(final, hooks)
    buried = {row.id for row in final}
    tell_unclaimable(unclaimable, [record for record in unclaimable if record.id not in buried], hooks)


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
