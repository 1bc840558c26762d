"""Rows that a pause by hand has stopped: they are made due when it is over, and go before what is new."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from notifications.ledger import sql_stopped
from notifications.ledger.rows import Claimed
from project.database.dialects import as_json, as_uuid, repeated


def release(pause: int, limit: int) -> int:
    """Makes up to `limit` rows due that no pause names any more, as of the end of this one. Returns how many."""
    return len(repeated(lambda: sql_stopped.release(pause=pause, limit=limit)))


def any_left() -> bool:
    """Returns whether there is still a row for `release`."""
    return bool(sql_stopped.any_left()[0][0])


def behind(rows: Sequence[Claimed]) -> set[UUID]:
    """Returns the ids of the rows that must let an older one of their receiver go first. Takes one statement."""
    asked = [{"id": row.id, "receiver_hash": row.receiver_hash, "priority": row.priority} for row in rows]
    return {as_uuid(id) for (id,) in sql_stopped.behind(rows=as_json(asked))}
