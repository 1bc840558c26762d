"""What breakers did: since when a channel is out of order, and when it was while a notification was under way."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models.functions import Now

from notifications.messages.words import BreakerState, WorkerKind
from notifications.models import ALIVE_SECONDS, BreakerEvent, WorkerHeartbeat

MOST_EVENTS = 500  # of breakers that are read
MOST_TURNS = 20  # that are shown
BEFORE = timedelta(hours=1)  # an outage that began so long before a notification may belong to its story


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a sender that is alive serves the channel, and since when it is out of order."""

    served: bool
    out_since: datetime | None


@dataclass(frozen=True, slots=True)
class Turn:
    """A provider went out of order, or works again."""

    at: datetime
    provider: str
    is_open: bool
    cause: str


def health(channel: str) -> Health:
    """Returns how the channel is now, with two queries."""
    alive = WorkerHeartbeat.objects.filter(
        kind=WorkerKind.SENDER, seen_at__gte=Now() - timedelta(seconds=ALIVE_SECONDS)
    ).values_list("worker", "channels")
    workers = {worker for worker, channels in alive if channel in channels.split(",")}
    if not workers:
        return Health(served=False, out_since=None)
    return Health(served=True, out_since=_out_since(channel, workers))


def turns(channel: str, since: datetime, until: datetime) -> list[Turn]:
    """Returns when providers of the channel went out of order and came back, the oldest first, with one query.

    Many senders notice one outage: it begins with the first of them and ends with the last. Where there were more than
    MOST_TURNS, the first ones and the last one are returned.
    """
    span = BreakerEvent.objects.filter(channel=channel, at__gte=since - BEFORE, at__lte=until)
    merged = _merged(span.order_by("at", "id")[:MOST_EVENTS])
    begun = [turn for turn in merged if turn.at < since][-1:]
    found = [turn for turn in begun if turn.is_open] + [turn for turn in merged if turn.at >= since]
    return found if len(found) <= MOST_TURNS else [*found[: MOST_TURNS - 1], found[-1]]


def _out_since(channel: str, workers: set[str]) -> datetime | None:
    """Returns the earliest opening that no closing followed in one of these workers."""
    return min((event.at for event in still_open(channel, workers)), default=None)


def still_open(channel: str, workers: Collection[str]) -> list[BreakerEvent]:
    """Returns the openings that no closing followed in these workers, one for each worker and provider."""
    opened: dict[tuple[str, str], BreakerEvent] = {}
    newest = BreakerEvent.objects.filter(channel=channel).order_by("-at", "-id")[:MOST_EVENTS]
    for event in reversed(newest):
        if event.worker not in workers:
            continue
        if event.state == BreakerState.OPEN:
            opened.setdefault((event.worker, event.provider), event)
        else:
            opened.pop((event.worker, event.provider), None)
    return list(opened.values())


def _merged(events: Iterable[BreakerEvent]) -> list[Turn]:
    found: list[Turn] = []
    open_in: dict[str, set[str]] = {}  # provider → workers
    for event in events:
        workers = open_in.setdefault(event.provider, set())
        was_open = bool(workers)
        if event.state == BreakerState.OPEN:
            workers.add(event.worker)
        else:
            workers.discard(event.worker)
        if bool(workers) != was_open:
            found.append(Turn(event.at, event.provider, bool(workers), event.cause))
    return found
