"""Whether the ledger takes a row now: what every probe of readiness asks."""

from __future__ import annotations

import os
import time

from django.db import transaction
from django.utils import timezone
from uuid_utils.compat import uuid7

from notifications.messages.words import Status
from notifications.models import Notification

PROBE_BYTES = 16_384
PROBE_EVERY = 1.0  # seconds


class Writing:
    """Proves that the ledger takes a row, with one that is deleted in the same transaction.

    Reading proves nothing, because a full disk and a read-only server answer every query. It writes at most one row a
    second, because everybody may ask. The row's text is too long for the free space of a page, so that the table has to
    grow.
    """

    def __init__(self) -> None:
        self._proven_until = 0.0

    def prove(self) -> None:
        """Writes and deletes a row, unless this was done within the last second. Raises what the database raises."""
        if time.monotonic() < self._proven_until:
            return
        text = os.urandom(PROBE_BYTES // 2).hex()
        row = Notification(id=uuid7(), status=Status.SENT, message=text, accepted_at=timezone.now())
        with transaction.atomic():
            row.save(force_insert=True)
            row.delete()
        self._proven_until = time.monotonic() + PROBE_EVERY


writing = Writing()
