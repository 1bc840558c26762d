"""What a sender counts of its settlements, once the ledger has committed them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from notifications.ledger.settle import Settlement
from notifications.messages.words import Status
from project import metrics


def count_settled(settlements: Iterable[Settlement]) -> None:
    """Counts the sends by their outcome, and by its reason each row that was put back unsent."""
    attempts: Counter[tuple[str, str]] = Counter()
    put_back: Counter[tuple[str, str]] = Counter()
    for settlement in settlements:
        verdict, channel = settlement.verdict, settlement.channel
        if verdict.status == Status.SENT or verdict.outcome:
            attempts[channel, verdict.outcome or "sent"] += 1
        elif verdict.status == Status.WAITING:
            put_back[channel, verdict.reason] += 1
    for (channel, outcome), count in attempts.items():
        metrics.attempts.labels(channel, outcome).inc(count)
    for (channel, reason), count in put_back.items():
        metrics.put_back.labels(channel, reason).inc(count)
