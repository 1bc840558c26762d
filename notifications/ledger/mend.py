"""After an upgrade: what processes of an older version wrote, which knew neither lists nor leases of batches."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from uuid import UUID

from django.db import transaction

from notifications.ledger import leases, sql_taking
from notifications.models import Notification
from project.database.dialects import repeated

ROWS_AT_ONCE = 10_000  # of the ledger: what is locked is let go after so many
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)


def mend() -> tuple[int, int]:
    """Lists rows as their status says, and has the sweep look at rows that are sending without a lease.

    Returns how many of each. It reads the whole ledger, and writes only what is wrong.
    """
    relisted = _relist()
    by_owner: dict[str, list[UUID]] = defaultdict(list)
    for id, owner in leases.without_lease(Notification.objects.all()):
        by_owner[owner].append(id)
    with transaction.atomic():
        for owner, ids in by_owner.items():
            leases.note(ids, owner=owner, seconds=0.0)
    return relisted, sum(map(len, by_owner.values()))


def _relist() -> int:
    """Lists rows as their status says, each range of ids in a transaction of its own. Returns how many were wrong."""
    relisted, begin = 0, FIRST
    while True:
        ids = Notification.objects.filter(id__gte=begin).order_by("id").values_list("id", flat=True)
        end = next(iter(ids[ROWS_AT_ONCE - 1 : ROWS_AT_ONCE]), LAST)
        relisted += len(repeated(partial(sql_taking.relist, first=begin.hex, last=end.hex)))
        if end == LAST:
            return relisted
        begin = UUID(int=end.int + 1)
