"""What a scheduler does about pauses: it shows those in force, and when one is over it makes due what it stopped."""

from __future__ import annotations

import time
from collections.abc import Collection
from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from notifications.ledger import stopped
from notifications.ledger.pauses import lately
from notifications.messages.words import PauseKind
from notifications.models import Pause
from project import metrics

BATCH = 5000
LONGEST = 0.5  # seconds, after which the scheduler's other work has its turn
AGAIN = 5.0  # seconds until the next look for rows where the last one found none
LEASES = 2  # after its end a sender that stood still may stop a row, for as long as its lease lasts


class Releasing:
    """Of one scheduler; any number may do the same work."""

    def __init__(self) -> None:
        self._shown: set[tuple[str, str]] = set()
        self._next_release = 0.0

    def look(self) -> bool:
        """Shows the pauses and releases what waits for those that are over. Returns whether the platform is read-only.

        Which pause has stopped a row is noted nowhere: what none in force names is made due. So a scheduler that dies
        in the middle leaves nothing half done. Takes one query where there is nothing. Raises what the database raises.
        """
        pauses = lately.read()
        in_force = {(pause.kind, pause.name) for pause in pauses if pause.in_force}
        self._show(in_force)
        if (PauseKind.PLATFORM, "") in in_force:
            return True
        over = [pause.id for pause in pauses if not pause.in_force and not pause.released]
        if over and time.monotonic() >= self._next_release and _release(max(over)):
            self._next_release = time.monotonic() + AGAIN
            _note_released(over)
        return False

    def _show(self, paused: set[tuple[str, str]]) -> None:
        for labels in self._shown - paused:
            metrics.paused.remove(*labels)
        for labels in paused - self._shown:
            metrics.paused.labels(*labels).set(1)
        self._shown = paused


def _release(pause: int) -> bool:
    """Makes due what no pause names any more, as of the end of this one. Returns whether nothing was left."""
    until = time.monotonic() + LONGEST
    while stopped.release(pause, BATCH) == BATCH:
        if time.monotonic() > until:
            return False
    return not stopped.any_left()


def _note_released(over: Collection[int]) -> None:
    """Notes it of those of these pauses that ended so long ago that no sender can still stop a row for them."""
    ended = Pause.objects.annotate(over_at=Coalesce(F("ended_at"), F("until")))
    long_ago = Now() - timedelta(seconds=LEASES * settings.LEASE_SECONDS)
    ended.filter(pk__in=over, over_at__lt=long_ago).update(released=True)
