"""Settling: results into the ledger, in bulk; leases renewed and hand-overs noted meanwhile.

Like rows.py: what the database cannot be reached for is raised, what it refuses a row for is not.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction

from notifications.ledger.hooks import FinalRow, Hooks, tell_final
from notifications.ledger.rows import (
    FINAL_COLUMNS,
    LONGEST_ERROR,
    TABLE,
    WITHIN,
    Claimed,
    Fence,
    around_culprits,
    clean,
    final_row,
    span,
)
from notifications.ledger.verdicts import Verdict
from notifications.messages.words import Status
from project.database.dialects import REFUSALS, as_json, as_uuid, dialect, fetch, repeated


class Settlement(msgspec.Struct, frozen=True, gc=False):
    fence: Fence
    verdict: Verdict
    channel: str = ""
    provider: str = ""
    milliseconds: int | None = None
    waits_from: float | None = None  # monotonic; without it a wait begins when it is settled


class _Result(msgspec.Struct):
    id: str
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
    id: str
    generation: int
    claims: int
    provider: str
    provider_message_id: str


_FENCE_COLUMNS = {"id": "uuid", "generation": "integer", "claims": "integer"}
_FENCE = f"n.id = r.id AND n.generation = r.generation AND n.claims = r.claims AND {WITHIN}"
_RESULT_COLUMNS = {
    **_FENCE_COLUMNS,
    **dict.fromkeys(("provider", "provider_message_id"), "text"),
    **dict.fromkeys(("status", "reason", "deferral", "cause", "outcome", "attempt_cause", "error"), "text"),
    "due_in": "float8",
    **dict.fromkeys(("spent", "uncertain", "milliseconds"), "integer"),
}
_SENT_COLUMNS = {name: _RESULT_COLUMNS[name] for name in (*_FENCE_COLUMNS, "provider", "provider_message_id")}
# A success is true whenever it arrives; every other outcome needs the row to be sending still.
_SETTLES_SENT = ", ".join(
    f"'{status}'" for status in (Status.SENDING, Status.QUEUED, Status.WAITING, Status.HELD, Status.DEAD)
)


def settle(settlements: Sequence[Settlement], *, hooks: Hooks) -> set[UUID]:
    """Write results down, with their Attempt rows, in one transaction; the ids whose fence still matched."""
    return repeated(lambda: _settle_batch(list(settlements), hooks))


def _settle_batch(settlements: list[Settlement], hooks: Hooks) -> set[UUID]:
    """Nearly always without savepoints, as a claim."""
    with suppress(*REFUSALS), transaction.atomic():
        return set(_settle([_result(settlement) for settlement in settlements], hooks))
    return _settle_around_culprits(settlements, hooks)


def _settle_around_culprits(settlements: list[Settlement], hooks: Hooks) -> set[UUID]:
    with transaction.atomic():
        results = [_result(settlement) for settlement in settlements]
        settled, refused = around_culprits(results, lambda part: _settle(part, hooks))
        for result, error in refused:  # the outcome counts, whatever the provider's text was refused for
            settled += _settle([_without_text(result, error)], hooks)
    return set(settled)


def _settle(results: list[_Result], hooks: Hooks) -> list[UUID]:
    sent = [result for result in results if result.status == Status.SENT]
    rest = [result for result in results if result.status != Status.SENT]
    ids = _settle_sent(sent, hooks) if sent else []
    if rest:
        settled = _settle_rest(rest)
        rest_ids = {row.id for row in settled}
        _insert_attempts([result for result in rest if result.outcome and UUID(result.id) in rest_ids])
        tell_final([row for row in settled if row.status != Status.WAITING], hooks)
        ids += rest_ids
    return ids


def _settle_sent(results: list[_Result], hooks: Hooks) -> list[UUID]:
    """The many: no row comes back but its last cause, for only what failed once can have a dead letter."""
    d = dialect()
    ends = span(result.id for result in results)
    said = as_json([_Sent(r.id, r.generation, r.claims, r.provider, r.provider_message_id) for r in results])
    causes = fetch(
        f"UPDATE {TABLE} AS n SET status = '{Status.SENT}', reason = '', due_at = NULL, deferred_since = NULL,"
        f" owner = NULL, lease_until = NULL, settled_at = {d.now},"
        f" provider = r.provider, provider_message_id = r.provider_message_id"
        f" FROM {d.rows(_SENT_COLUMNS)} WHERE {_FENCE} AND n.status IN ({_SETTLES_SENT})"
        f" {d.returning('last_cause')}",
        [said, *ends],
    )
    simply = len(causes) == len(results) and not any(cause for (cause,) in causes)
    return [UUID(result.id) for result in results] if simply else _look_after_sent(said, ends, hooks)


def _look_after_sent(said: str, ends: Sequence[str], hooks: Hooks) -> list[UUID]:
    """Which rows are sent by these claims, and the hooks for those that had failed before."""
    d = dialect()
    columns = ", ".join(f"n.{column}" for column in FINAL_COLUMNS)
    statement = (
        f"SELECT {columns} FROM {TABLE} AS n JOIN {d.rows(_SENT_COLUMNS)} ON {_FENCE} WHERE n.status = '{Status.SENT}'"
    )
    rows = [final_row(row) for row in fetch(statement, [said, *ends])]
    tell_final([row for row in rows if row.cause], hooks)
    return [row.id for row in rows]


def _settle_rest(results: list[_Result]) -> list[FinalRow]:
    d = dialect()
    due = d.later.format("r.due_in")
    rows = fetch(
        f"UPDATE {TABLE} AS n SET status = r.status, reason = r.reason, owner = NULL, lease_until = NULL,"
        # An expiry before the retry is when the scheduler looks next.
        f" due_at = CASE WHEN n.expires_at < {due} THEN n.expires_at ELSE {due} END,"
        f" attempts = n.attempts + r.spent, uncertain_count = n.uncertain_count + r.uncertain,"
        f" deferred_since = CASE r.deferral WHEN 'begin' THEN coalesce(n.deferred_since, {d.now})"
        f" WHEN 'keep' THEN n.deferred_since END,"
        f" last_cause = coalesce(r.cause, n.last_cause),"
        f" last_error = CASE WHEN r.cause IS NULL THEN n.last_error ELSE r.error END,"
        f" provider = CASE WHEN r.provider = '' THEN n.provider ELSE r.provider END,"
        f" settled_at = CASE WHEN r.status = '{Status.WAITING}' THEN NULL ELSE {d.now} END"
        f" FROM {d.rows(_RESULT_COLUMNS)} WHERE {_FENCE} AND n.status = '{Status.SENDING}'"
        f" {d.returning(*FINAL_COLUMNS)}",
        [as_json(results), *span(result.id for result in results)],
    )
    return [final_row(row) for row in rows]


def _insert_attempts(results: list[_Result]) -> None:
    if not results:
        return
    d = dialect()
    fetch(
        "INSERT INTO notifications_attempt"
        " (notification_id, generation, number, at, outcome, cause, error, milliseconds)"
        f" SELECT r.id, r.generation, r.claims, {d.now}, r.outcome, r.attempt_cause, r.error, r.milliseconds"
        f" FROM {d.rows(_RESULT_COLUMNS)} WHERE true ON CONFLICT DO NOTHING",
        [as_json(results)],
    )


def renew(claims: Sequence[Claimed], *, lease: float) -> set[UUID]:
    """Renew leases, passed ones too while nobody else took the row; ids renewed. Never waits for a lock."""
    d = dialect()
    keys = [{**_fence_of(claimed), "owner": claimed.owner} for claimed in claims]
    ends = span(claimed.id.hex for claimed in claims)
    return {
        as_uuid(row[0])
        for row in fetch(
            f"WITH picked AS MATERIALIZED (SELECT n.id FROM {TABLE} AS n"
            f" JOIN {d.rows({**_FENCE_COLUMNS, 'owner': 'text'})} ON {_FENCE}"
            f" WHERE n.status = '{Status.SENDING}' AND n.owner = r.owner {_of_n(d.skip_locked)})"
            f" UPDATE {TABLE} AS n SET lease_until = {d.later.format('%s')}"
            f" FROM picked WHERE n.id = picked.id AND {WITHIN} {d.returning('id')}",
            [as_json(keys), *ends, lease, *ends],
        )
    }


def mark_handed(claims: Sequence[Fence]) -> set[UUID]:
    """Note, before the hand-over, that these rows are being handed over; ids noted. Never waits for a lock."""
    d = dialect()
    ends = span(claimed.id.hex for claimed in claims)
    return {
        as_uuid(row[0])
        for row in fetch(
            f"WITH picked AS MATERIALIZED (SELECT n.id FROM {TABLE} AS n JOIN {d.rows(_FENCE_COLUMNS)} ON {_FENCE}"
            f" WHERE n.status = '{Status.SENDING}' {_of_n(d.skip_locked)})"
            f" UPDATE {TABLE} AS n SET handed_at = {d.now} FROM picked WHERE n.id = picked.id"
            f" AND {WITHIN} {d.returning('id')}",
            [as_json([_fence_of(claimed) for claimed in claims]), *ends, *ends],
        )
    }


def _of_n(skip_locked: str) -> str:
    return skip_locked.replace("FOR UPDATE", "FOR UPDATE OF n")


def _fence_of(claimed: Fence) -> dict[str, Any]:
    return {"id": claimed.id.hex, "generation": claimed.generation, "claims": claimed.claims}


def _result(settlement: Settlement) -> _Result:
    fence, verdict = settlement.fence, settlement.verdict
    return _Result(
        id=fence.id.hex,
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


def _without_text(result: _Result, error: Exception) -> _Result:
    said = f"The database refused the provider's text ({type(error).__name__})."
    return msgspec.structs.replace(result, provider_message_id="", error=said)
