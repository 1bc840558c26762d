"""Settling: results into the ledger, in bulk; leases renewed and hand-overs noted meanwhile.

Like claim.py: what the database cannot be reached for is raised, what it refuses a row for is not.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from notifications.ledger import sql_settling
from notifications.ledger.culprits import around_culprits
from notifications.ledger.hooks import FinalRow, Hooks, tell_final
from notifications.ledger.rows import LONGEST_ERROR, Claimed, Fence, clean, final_row
from notifications.ledger.verdicts import Verdict
from notifications.messages.ids import span
from notifications.messages.words import SENT, Status
from project.database.dialects import REFUSALS, as_json, as_uuid, repeated
from project.logs import events


class Settlement(msgspec.Struct, frozen=True, gc=False):
    fence: Fence
    verdict: Verdict
    channel: str = ""
    provider: str = ""
    milliseconds: int | None = None
    waits_from: float | None = None  # monotonic; without it a wait begins when it is settled


class _Result(msgspec.Struct):
    id: UUID
    generation: int
    claims: int
    provider: str
    provider_message_id: str
    status: str = ""
    reason: str = ""
    due_in: float | None = None
    spent: int = 0
    uncertain: int = 0
    deferral: str = ""
    cause: str | None = None
    outcome: str | None = None
    attempt_cause: str | None = None
    error: str | None = None
    milliseconds: int | None = None


class _Sent(msgspec.Struct):
    id: UUID
    generation: int
    claims: int
    provider: str
    provider_message_id: str


def settle(settlements: Sequence[Settlement], *, hooks: Hooks) -> set[UUID]:
    """Writes results down, with their Attempt rows, in one transaction.

    Returns the ids whose fence still matched.
    """
    return repeated(lambda: _settle_batch(list(settlements), hooks))


def _settle_batch(settlements: list[Settlement], hooks: Hooks) -> set[UUID]:
    """Writes a batch, nearly always without savepoints, as a claim does. Returns the ids that matched."""
    with suppress(*REFUSALS), transaction.atomic():
        return set(_settle(settlements, hooks))
    return _settle_around_culprits(settlements, hooks)


def _settle_around_culprits(settlements: list[Settlement], hooks: Hooks) -> set[UUID]:
    with transaction.atomic():
        settled, refused = around_culprits(settlements, lambda part: _settle(part, hooks))
        for settlement, error in refused:  # the outcome counts, whatever the provider's text was refused for
            settled += _settle([_without_text(settlement, error)], hooks)
    return set(settled)


def _settle(settlements: list[Settlement], hooks: Hooks) -> list[UUID]:
    sent = [settlement for settlement in settlements if settlement.verdict.status is SENT]
    rest = [settlement for settlement in settlements if settlement.verdict.status is not SENT]
    return (_settle_sent(sent, hooks) if sent else []) + (_settle_others(rest, hooks) if rest else [])


def _settle_sent(settlements: list[Settlement], hooks: Hooks) -> list[UUID]:
    rows, ends = as_json([_sent(settlement) for settlement in settlements]), _span_of(_fences(settlements))
    causes = sql_settling.settle_sent(rows=rows, **ends)
    simply = len(causes) == len(settlements) and not any(cause for (cause,) in causes)
    return [fence.id for fence in _fences(settlements)] if simply else _look_after_sent(rows, ends, hooks)


def _look_after_sent(rows: str, ends: dict[str, str], hooks: Hooks) -> list[UUID]:
    """Tells the hooks of the rows that had failed before. Returns the ids of the rows that are sent by these claims."""
    sent = [final_row(row) for row in sql_settling.sent_by(rows=rows, **ends)]
    tell_final([row for row in sent if row.cause], hooks)
    return [row.id for row in sent]


def _settle_others(settlements: list[Settlement], hooks: Hooks) -> list[UUID]:
    results = [_result(settlement) for settlement in settlements]
    ends = _span_of(_fences(settlements))
    settled = [final_row(row) for row in sql_settling.settle_others(rows=as_json(results), **ends)]
    ids = {row.id for row in settled}
    if attempts := [result for result in results if result.outcome and result.id in ids]:
        sql_settling.insert_attempts(rows=as_json(attempts))
    if waiting := [row for row in settled if row.status == Status.WAITING]:
        transaction.on_commit(partial(_log_waiting, waiting, {result.id: result for result in results}))
    bounces = {each.fence.id: each.verdict.bounce for each in settlements if each.verdict.bounce}
    ended = [row for row in settled if row.status != Status.WAITING]
    tell_final([msgspec.structs.replace(row, bounce=bounces.get(row.id)) for row in ended] if bounces else ended, hooks)
    return list(ids)


def _log_waiting(rows: Sequence[FinalRow], results: Mapping[UUID, _Result]) -> None:
    now = events.now()
    events.write([_waiting(now, row, results[row.id]) for row in rows])


def _waiting(now: str, row: FinalRow, result: _Result) -> events.Waiting:
    tried = (result.provider, row.claims, result.milliseconds)
    why = (result.reason, result.attempt_cause or "", result.due_in)
    return events.Waiting(now, row.id, row.trace_id, row.channel, row.generation, *tried, *why)


def renew(claims: Sequence[Claimed], *, lease: float) -> set[UUID]:
    """Renew leases, passed ones too while nobody else took the row; ids renewed. Never waits for a lock."""
    keys = [{**_fence_of(claimed), "owner": claimed.owner} for claimed in claims]
    return {as_uuid(id) for (id,) in sql_settling.renew(rows=as_json(keys), lease=lease, **_span_of(claims))}


def mark_handed(claims: Sequence[Fence]) -> set[UUID]:
    """Note, before the hand-over, that these rows are being handed over; ids noted. Never waits for a lock."""
    rows = as_json([_fence_of(claimed) for claimed in claims])
    return {as_uuid(id) for (id,) in sql_settling.mark_handed(rows=rows, **_span_of(claims))}


def _fences(settlements: Sequence[Settlement]) -> list[Fence]:
    return [settlement.fence for settlement in settlements]


def _span_of(claims: Sequence[Fence]) -> dict[str, str]:
    return span(fence.id for fence in claims)


def _fence_of(claimed: Fence) -> dict[str, Any]:
    return {"id": claimed.id, "generation": claimed.generation, "claims": claimed.claims}


def _sent(settlement: Settlement) -> _Sent:
    fence, provider_message_id = settlement.fence, clean(settlement.verdict.provider_message_id, 255)
    return _Sent(fence.id, fence.generation, fence.claims, settlement.provider, provider_message_id)


def _result(settlement: Settlement) -> _Result:
    fence, verdict = settlement.fence, settlement.verdict
    return _Result(
        id=fence.id,
        generation=fence.generation,
        claims=fence.claims,
        provider=settlement.provider,
        provider_message_id=clean(verdict.provider_message_id, 255),
        status=verdict.status,
        reason=verdict.reason,
        due_in=_due_in(settlement),
        spent=int(verdict.spent),
        uncertain=int(verdict.outcome == "uncertain"),
        deferral=verdict.deferral,
        cause=verdict.cause,
        outcome=verdict.outcome,
        attempt_cause=verdict.attempt_cause,
        error=clean(verdict.error, LONGEST_ERROR),
        milliseconds=settlement.milliseconds,
    )


def _due_in(settlement: Settlement) -> float | None:
    """Results of different moments may be settled at one: what counts for their order is when each began to wait."""
    due_in, began = settlement.verdict.due_in, settlement.waits_from
    return due_in if due_in is None or began is None else max(0.0, due_in - (time.monotonic() - began))


def _without_text(settlement: Settlement, error: Exception) -> Settlement:
    why = f"The database refused the provider's text ({type(error).__name__})."
    verdict = msgspec.structs.replace(settlement.verdict, provider_message_id="", error=why)
    return msgspec.structs.replace(settlement, verdict=verdict)
