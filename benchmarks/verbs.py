"""The ledger's verbs, each timed alone: `python -m benchmarks.with_django verbs`, in a platform's environment."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import TypeVar
from uuid import uuid4

from benchmarks.traffic import receiver_of, text_of
from notifications.ledger import due, verdicts
from notifications.ledger.claim import claim as claim_rows
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.rows import Claimed, Incoming
from notifications.ledger.settle import Settlement, settle
from notifications.messages.draft import Draft
from notifications.messages.message import new_message
from notifications.messages.words import Reason

T = TypeVar("T")
BATCH = 500
ROUNDS = 40
took: dict[str, list[float]] = {"claim of 500": [], "settle of 500": [], "due, 500": []}


def main() -> None:
    """Prints the median milliseconds of each as JSON."""
    for number in range(ROUNDS):
        measure(number * 2 * BATCH)
    print(json.dumps({name: statistics.median(seconds) * 1000 for name, seconds in took.items()}))


def measure(start: int) -> None:
    batch = [incoming(number) for number in range(start, start + BATCH)]
    rows = timed("claim of 500", lambda: claim(batch))
    results = [Settlement(row, verdicts.sent("queued"), "EMAIL", "smtp") for row in rows]
    timed("settle of 500", lambda: settle(results, hooks=NO_HOOKS))
    put_back(claim([incoming(number) for number in range(start + BATCH, start + 2 * BATCH)]))
    taken = timed("due, 500", lambda: due.take_due("bench", BATCH))
    assert len(taken) == BATCH, len(taken)
    due.mark_published("bench", [row.message.id for row in taken])


def timed(name: str, work: Callable[[], T]) -> T:
    began = time.perf_counter()
    found = work()
    took[name].append(time.perf_counter() - began)
    return found


def claim(batch: list[Incoming]) -> list[Claimed]:
    claimed = claim_rows(batch, owner=uuid4().hex, lease=60, hooks=NO_HOOKS)
    assert len(claimed) == BATCH
    return claimed


def put_back(rows: list[Claimed]) -> None:
    """To waiting, due at once."""
    settle([Settlement(row, verdicts.put_back(Reason.HANDED_BACK, 0.0), "EMAIL") for row in rows], hooks=NO_HOOKS)


def incoming(number: int) -> Incoming:
    message = new_message(
        Draft(message=text_of(number)), client="main", channel="EMAIL", receiver=receiver_of("EMAIL", number)
    )
    return Incoming(message, message.topic, 0, number, "", b"")
