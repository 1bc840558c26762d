"""What the overview knows at one moment: who is alive, what a scheduler counted last, and what happened lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from notifications.messages.words import Happened, WorkerKind
from notifications.models import ALIVE_SECONDS, Pause, Standing, WorkerHeartbeat
from project.database.dialects import read_only
from project.operations import figures
from project.operations.figures import Pace

COUNTED_LATELY = timedelta(seconds=90)  # a scheduler counts every fifteen seconds


@dataclass(frozen=True, slots=True)
class Known:
    now: datetime
    alive: list[WorkerHeartbeat]
    standings: Mapping[str, Standing]
    paces: Mapping[tuple[str, str], Pace]
    counted_before: bool  # there is at least one minute
    read_only: bool  # the database takes no writes
    pauses: list[Pause]  # by hand, in force

    @classmethod
    def read(cls) -> Known:
        """Reads it with six queries. None of them is for the ledger."""
        now = timezone.now()
        first = figures.first_minute()
        return cls(
            now,
            list(WorkerHeartbeat.objects.filter(seen_at__gte=now - timedelta(seconds=ALIVE_SECONDS))),
            {standing.name: standing for standing in Standing.objects.all()},
            figures.paces(now, first),
            first is not None,
            read_only(),
            list(Pause.objects.in_force()),
        )

    def senders(self, channel: str = "") -> set[str]:
        """Returns the senders that are alive; with a channel, those that serve it."""
        return {
            worker.worker
            for worker in self.alive
            if worker.kind == WorkerKind.SENDER and (not channel or channel in worker.channels.split(","))
        }

    def has_scheduler(self) -> bool:
        return any(worker.kind == WorkerKind.SCHEDULER for worker in self.alive)

    def counted(self, name: Standing.Name) -> Mapping[str, Any] | None:
        """Returns the figures of that name; None where nobody counted them lately."""
        standing = self.standings.get(name)
        return standing.figures if standing and self.now - standing.as_of < COUNTED_LATELY else None

    def pace(self, channel: str, happened: Happened) -> Pace:
        return self.paces.get((channel, happened.value), Pace())

    def last_written(self) -> datetime | None:
        """Returns when a worker last wrote to the database, as far as this shows."""
        times = [worker.seen_at for worker in self.alive] + [one.as_of for one in self.standings.values()]
        return max(times, default=None)
