"""The leases of senders: one row for each claimed batch says which rows to look at when its lease has passed.

Whether a row is leased, and until when, the row itself says. A lease here only says where to look: settling and
renewing leave it alone, and the sweep removes it once none of its rows is being sent by its owner any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from django.db import transaction
from django.db.models import QuerySet

from notifications.ledger import sql_claiming, sql_settling
from notifications.ledger.hooks import Hooks
from notifications.ledger.rows import Fence
from notifications.ledger.settle import Settlement, settle
from notifications.ledger.verdicts import lease_expired
from notifications.messages.ids import span
from notifications.messages.words import Status
from notifications.models import Category, Lease, Notification
from project.database.dialects import as_json, as_uuid, from_time, repeated

LEASES_AT_ONCE = 40
LONGEST_SWEEP = 1.0  # seconds, after which the scheduler's other work has its turn
LONG_AGO = datetime.fromtimestamp(0, UTC)


class _Lease(msgspec.Struct, frozen=True):
    id: int
    owner: str
    first: UUID
    last: UUID
    ids: list[str]  # in hex


def note(ids: Iterable[UUID], *, owner: str, seconds: float) -> None:
    """Notes that these rows are being claimed, in the transaction of the claim."""
    each = sorted(id.bytes for id in ids)
    ends = {"lowest": each[0].hex(), "highest": each[-1].hex()}
    sql_claiming.note_lease(owner=owner, lease=seconds, **ends, ids=b"".join(each))


def any_sending(begin: UUID, end: UUID) -> bool:
    """Says whether a row from `begin` to before `end` is being sent."""
    leases = Lease.objects.filter(first__lt=end, last__gte=begin).values_list("ids", flat=True)
    ids = [id for each in leases for id in _each(each) if begin.hex <= id < end.hex]
    return Notification.objects.filter(id__in=ids, status=Status.SENDING).exists()


def without_lease(rows: QuerySet[Notification]) -> list[tuple[UUID, str]]:
    """Returns (id, owner) of those of these rows that are being sent while no lease leads the sweep to them."""
    sending = rows.filter(status=Status.SENDING).values_list("id", "owner", "claims")
    before = set(sending)
    # The sweep forgets a lease of which no row is being sent by its owner, so one of an older claim does not count.
    noted = {(id, owner) for owner, ids in Lease.objects.values_list("owner", "ids") for id in _each(ids)}
    unknown = [id for id, owner, _ in before if (id.hex, owner or "") not in noted]
    still = sending.filter(id__in=unknown)  # others have ended meanwhile
    return [(row[0], row[1] or "") for row in still if row in before]


def sweep(schedule: Sequence[float], limit: int, *, hooks: Hooks, passed_by: Any = None) -> int:
    """Settles up to `limit` rows whose lease passed (before `passed_by`) while they were sent: nobody knows their end.

    Returns how many. Each gets an Attempt `lease-expired`. In a `hold` category, rows that were not handed over go
    back unspent. `passed_by` is a time that `due.clock` gave; without it now counts.

    After hours without a scheduler hardly any row is to be settled, but many leases are to be looked at. What
    LONGEST_SWEEP leaves of them is there for the next call: each step commits what it has looked at.
    """
    swept, full = 0, True
    until = time.monotonic() + LONGEST_SWEEP
    while full and swept < limit:
        full, count = repeated(partial(_sweep_some, schedule, limit - swept, hooks, passed_by))
        swept += count
        if time.monotonic() >= until:
            break
    return swept


def _sweep_some(schedule: Sequence[float], limit: int, hooks: Hooks, passed_by: Any) -> tuple[bool, int]:
    """Returns whether there may be more leases to look at, and how many rows were settled."""
    with transaction.atomic():  # the locks last until the settle commits
        leases = [_lease(row) for row in sql_settling.passed_leases(limit=LEASES_AT_ONCE, moment=passed_by)]
        if not leases:
            return False, 0
        ends = span(end for lease in leases for end in (lease.first, lease.last))
        sending = sql_settling.still_sending(rows=_ids((id,) for lease in leases for id in lease.ids), **ends)
        settled: set[UUID] = set()
        if sending:
            expired = sql_settling.expired_leases(rows=_ids(sending), **ends, limit=limit, moment=passed_by)
            held = Category.held()
            settled = settle([_expired_lease(row, schedule, held) for row in expired], hooks=hooks)
        _look_after(leases, [(owner or "", until) for id, owner, until in sending if as_uuid(id) not in settled])
        return len(leases) == LEASES_AT_ONCE, len(settled)


def _look_after(leases: list[_Lease], left: Iterable[tuple[str, Any]]) -> None:
    """Forgets the leases that are over, and puts the others off until a row of theirs may have expired."""
    until: dict[str, datetime] = {}
    for owner, lease_until in left:
        moment = from_time(lease_until) or LONG_AGO  # somebody has written to the row by hand
        until[owner] = min(moment, until.get(owner, moment))
    over = [{"id": lease.id} for lease in leases if lease.owner not in until]
    later = [{"id": one.id, "look_at": until[one.owner]} for one in leases if one.owner in until]
    if over:
        sql_settling.forget_leases(rows=as_json(over))
    if later:
        sql_settling.look_later(rows=as_json(later))


def newest(most: int) -> list[str]:
    """Returns the ids that the newest leases name, in hex, at most so many. All leases have all that is being sent."""
    leases = Lease.objects.order_by("-pk").values_list("ids", flat=True).iterator()
    return list(islice((id for each in leases for id in _each(each)), most))


def _ids(rows: Iterable[tuple[Any, ...]]) -> str:
    return as_json([{"id": row[0]} for row in rows])


def _lease(row: tuple[Any, ...]) -> _Lease:
    id, owner, first, last, ids = row
    return _Lease(id, owner, as_uuid(first), as_uuid(last), _each(ids))


def _each(ids: bytes | memoryview) -> list[str]:
    """Returns the ids in hex."""
    together = bytes(ids).hex()
    return [together[begin : begin + 32] for begin in range(0, len(together), 32)]


def _expired_lease(row: tuple[Any, ...], schedule: Sequence[float], held: frozenset[str]) -> Settlement:
    id, generation, claims, attempts, category, handed = row
    verdict = lease_expired(attempts=attempts, hold=category in held, handed=bool(handed), schedule=schedule)
    return Settlement(Fence(as_uuid(id), generation, claims), verdict)
