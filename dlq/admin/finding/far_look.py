"""Looks for ids that no index has, the provider's and the trace's, through the newest rows of the ledger.

A success writes the provider's id, and an index of it would cost each success more than the rest of its settling does
(docs/adr/0032). So this looks as far back as it comes in a moment, and says how far that was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from notifications.messages.ids import time_of
from notifications.models import Notification
from project.database.dialects import fetch
from project.database.refusals import took_too_long

STEP = 50_000  # rows: 50 ms
SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class FarLook:
    """What was found, the newest first, and when the oldest row that was looked at was accepted; None: all were."""

    found: tuple[UUID, ...] = ()
    since: datetime | None = None


def look_back(provider_ids: list[str], trace: str, *, seconds: float = SECONDS, step: int = STEP) -> FarLook:
    """Looks, step by step, until it finds something, has looked at all rows, or the time is over."""
    wanted = Q(provider_message_id__in=provider_ids)
    if trace:
        wanted |= Q(trace_id=trace)
    until, oldest = monotonic() + seconds, None
    while (left := until - monotonic()) > 0:
        try:
            found, next_oldest = _look(wanted, oldest, step, left)
        except OperationalError as error:
            if took_too_long(error):
                break
            raise
        if found or next_oldest is None:
            return FarLook(found, time_of(next_oldest) if next_oldest else None)
        oldest = next_oldest
    return FarLook((), time_of(oldest) if oldest else timezone.now())


def _look(wanted: Q, before: UUID | None, step: int, seconds: float) -> tuple[tuple[UUID, ...], UUID | None]:
    """Returns what is found among the next rows, and the oldest of these; None where no older one is left."""
    rows = Notification.objects.order_by("-pk").values_list("pk", flat=True)
    if before:
        rows = rows.filter(pk__lt=before)
    with transaction.atomic():
        if connection.vendor == "postgresql":
            fetch("SELECT set_config('statement_timeout', %s, true)", [str(max(1, round(seconds * 1000)))])
        oldest = next(iter(rows[step - 1 : step]), None)
        if oldest:
            rows = rows.filter(pk__gte=oldest)
        return tuple(rows.filter(wanted)[:50]), oldest
