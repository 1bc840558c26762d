"""Members come to their end when what went out for them has: in batches, some seconds later, and never before.

So what simply was sent costs nothing more. What has stopped may still be sent by a person: its members wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import transaction

from notifications.ledger import sql_digests
from notifications.ledger.digests.closing import MEMBERS_AT_ONCE, SOON, Moved, move
from notifications.ledger.hooks import Hooks, tell_final
from notifications.ledger.rows import final_row
from notifications.messages.words import DigestState, Is, Status, statuses
from project.database.dialects import as_json, as_uuid, repeated

AT_ONCE = 500  # digests looked at in a transaction
LATEST = 300.0  # seconds between two looks at one whose notification has come to no end for hours
STOPPED = statuses(Is.STOPPED)
# How members end, by how their digest's notification has; a person may still send the others.
ENDS: dict[str, Status] = {
    Status.SENT: Status.DIGESTED,
    **{status: status for status in (Status.EXPIRED, Status.SUPPRESSED, Status.CANCELLED)},
}


class _Digest(NamedTuple):
    """A closed digest, with where its notification stands; the ledger may not have that any more."""

    id: int
    notification_id: UUID
    joined: int
    status: str | None
    reason: str | None
    age: float | None  # seconds


class _End(msgspec.Struct):
    """How the members of a digest end."""

    id: int
    notification_id: UUID
    status: str
    reason: str


def end_members(hooks: Hooks) -> bool:
    """Ends the members of digests whose notification has come to its end. Returns whether there may be more."""
    return repeated(lambda: _end_some(hooks))


def _end_some(hooks: Hooks) -> bool:
    with transaction.atomic():
        rows = sql_digests.under_way(limit=AT_ONCE)
        found = [_Digest(id, as_uuid(notification), *others) for id, notification, *others in rows]
        digests = _within_bounds(found)
        discarded = hooks.discarded([one.notification_id for one in digests if one.status in STOPPED])
        ends = [end for one in digests if (end := _end_of(one, is_discarded=one.notification_id in discarded))]
        left = _end_all(ends, hooks)
        ended = {end.id for end in ends} - left
        move([Moved(one.id, DigestState.ENDED) if one.id in ended else _later(one) for one in digests])
        return len(digests) < len(found) or len(found) == AT_ONCE


def _within_bounds(digests: Sequence[_Digest]) -> list[_Digest]:
    """Returns the first of them, which together have not too many members to end."""
    taken: list[_Digest] = []
    members = 0
    for digest in digests:
        members += digest.joined if digest.status in ENDS else 0
        if taken and members > MEMBERS_AT_ONCE:
            break
        taken.append(digest)
    return taken


def _end_of(digest: _Digest, *, is_discarded: bool) -> _End | None:
    status = Status.CANCELLED if is_discarded else ENDS.get(digest.status or "")
    if status is None:
        return None
    return _End(digest.id, digest.notification_id, status, (digest.reason or "") if status == digest.status else "")


def _end_all(ends: Sequence[_End], hooks: Hooks) -> set[int]:
    """Ends the members of these digests. Returns the digests of which some members have come to no end."""
    if not ends:
        return set()
    rows = as_json(ends)
    tell_final([final_row(row) for row in sql_digests.end_all(rows=rows)], hooks)
    return {id for (id,) in sql_digests.unended(rows=rows)}


def _later(digest: _Digest) -> Moved:
    """Looks again the later, the longer it lasts: in quiet hours, or until somebody replays it."""
    return Moved(digest.id, DigestState.CLOSED, min(max((digest.age or LATEST) / 4, SOON), LATEST))
