"""After an upgrade: what processes of an older version wrote, which knew neither lists nor leases of batches."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.db import transaction

from notifications.ledger import leases, sql_taking
from notifications.models import Notification


def mend() -> tuple[int, int]:
    """Lists rows as their status says, and has the sweep look at rows that are sending without a lease.

    Returns how many of each. It reads the whole ledger, and writes only what is wrong.
    """
    relisted = len(sql_taking.relist())
    by_owner: dict[str, list[UUID]] = defaultdict(list)
    for id, owner in leases.without_lease(Notification.objects.all()):
        by_owner[owner].append(id)
    with transaction.atomic():
        for owner, ids in by_owner.items():
            leases.note(ids, owner=owner, seconds=0.0)
    return relisted, sum(map(len, by_owner.values()))
