"""What a ledger that was restored from a backup does not know: what was sent after the backup."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction

from notifications.ledger import sql_taking
from notifications.ledger.hooks import Hooks, tell_final
from notifications.ledger.rows import final_row
from project.database.dialects import repeated

AT_ONCE = 500
WHY = "The ledger was restored from a backup, so nobody knows whether it was sent since."


def hold_unfinished(*, hooks: Hooks) -> int:
    """Ends as `held` what was under way at the time of the backup, where its category has a person decide.

    Not what is due in the future only. Returns how many rows that were. It reads the whole ledger once, with nothing
    else running.
    """
    held, after = 0, UUID(int=0)
    while True:
        last, count = repeated(partial(_hold_some, after, hooks))
        held += count
        if last is None:
            return held
        after = last


def _hold_some(after: UUID, hooks: Hooks) -> tuple[UUID | None, int]:
    with transaction.atomic():
        rows = [final_row(row) for row in sql_taking.hold_unfinished(after=after.hex, limit=AT_ONCE, why=WHY)]
        tell_final(rows, hooks)
    return max(row.id for row in rows) if len(rows) == AT_ONCE else None, len(rows)
