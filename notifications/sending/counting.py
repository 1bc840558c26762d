"""What a sender counts of its settlements, and the lines of what was sent, once the ledger has committed them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from notifications.ledger.minutes import Key, minutes
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement
from notifications.messages.words import SENT, Happened, Status
from project import metrics
from project.logs import events
from project.logs.events import Sent


def count_settled(settlements: Iterable[Settlement]) -> None:
    """Counts the sends by their outcome, and by its reason each row that was put back unsent.

    The minutes get what was sent and what is to be tried again; the ends are counted where the hooks learn of them.
    A batch has few kinds of settlement, so only the first loop is done for each of its rows.
    """
    kinds = Counter(
        [
            (each.channel, each.provider, each.verdict.status, each.verdict.outcome, each.verdict.attempt_cause)
            if each.verdict.outcome or each.verdict.status is SENT
            else (each.channel, "", each.verdict.status, None, each.verdict.reason)
            for each in settlements
        ]
    )
    counts: dict[Key, int] = {}
    for (channel, provider, status, outcome, why), count in kinds.items():
        if status is SENT or outcome:
            metrics.attempts.labels(channel, provider, outcome or "sent").inc(count)
        elif status is Status.WAITING:
            metrics.put_back.labels(channel, why).inc(count)
        if status is SENT:
            counts[channel, provider, Happened.SENT, ""] = count
        elif status is Status.WAITING and outcome:
            counts[channel, provider, Happened.FAILED, why or ""] = count
    minutes.add(counts)


def log_sent(settlements: Sequence[Settlement]) -> None:
    """Writes a line for each that was sent. The lines of the others are the ledger's, which knows more of them."""
    now = events.now()
    events.write(
        [
            Sent(now, row.id, row.trace_id, row.channel, row.generation, each.provider, row.claims, each.milliseconds)
            for each in settlements
            if each.verdict.status is SENT and isinstance(row := each.fence, Claimed)
        ]
    )
