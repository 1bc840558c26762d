"""What stands between the claim and the pool: gates, each of which lets rows go, puts them off or ends them.

They run in the consumer, inside the claim's transaction and with its database connection. What a gate keeps back is
settled in that same transaction, so a crash leaves either a claim whose rows were put where the gates wanted them
or no claim at all. The offset of their records is committed afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import NamedTuple, Protocol, cast

from django.conf import settings
from django.db import transaction

from notifications import models
from notifications.channels.outcomes import Cause, SendError
from notifications.ledger import due, sql_claiming, verdicts
from notifications.ledger.hooks import Hooks
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, settle
from notifications.ledger.verdicts import Verdict
from notifications.messages.ids import person_hashes, receiver_hashes
from notifications.messages.words import Reason
from notifications.models import NOBODY, Category, Notification
from notifications.sending.counting import count_settled
from project import metrics
from project.database.dialects import as_json, from_time

ASK_EVERY = 1.0  # seconds between two looks whether anybody was erased


class Later(NamedTuple):
    """A row that waits in the ledger, unsent and with nothing spent, for `due_in` seconds."""

    row: Claimed
    reason: Reason
    due_in: float


class End(NamedTuple):
    """A row that comes to its end unsent."""

    row: Claimed
    verdict: Verdict


@dataclass(slots=True)
class Split:
    """What a gate says of a batch. Each row is in one of the lists, each list in the batch's order."""

    go: list[Claimed]
    later: list[Later] = field(default_factory=list)
    end: list[End] = field(default_factory=list)


class Gate(Protocol):
    """Looks at whole batches. A channel's two consumers may ask it at the same time.

    A claim whose commit failed, or whose answer was lost, is repeated with the same `owner` on its rows. The gate is
    then asked again about those that are not in the ledger as it wanted them. A gate that remembers what it decided
    must decide the same about them.
    """

    def split(self, rows: list[Claimed]) -> Split:
        """Splits the rows that the gates before it let go. They are of one channel and priority."""


class Expiry:
    """Ends what expired before it was claimed. What expires while it waits in the pool is ended before its send."""

    def split(self, rows: list[Claimed]) -> Split:
        if all(row.expires_in is None or row.expires_in > 0 for row in rows):
            return Split(rows)
        gone = [row for row in rows if row.expires_in is not None and row.expires_in <= 0]
        ids = {row.id for row in gone}
        return Split([row for row in rows if row.id not in ids], end=[End(row, verdicts.expired()) for row in gone])


class Scheduled:
    """Puts off what its client wants sent later, until that time (`send_at`)."""

    def split(self, rows: list[Claimed]) -> Split:
        if all(row.send_in is None or row.send_in <= 0 for row in rows):
            return Split(rows)
        split = Split([])
        for row in rows:
            if row.send_in is not None and row.send_in > 0:
                split.later.append(Later(row, Reason.SCHEDULED, row.send_in))
            else:
                split.go.append(row)
        return split


class Forgotten:
    """Ends, without its texts, what was accepted for a person before they were erased (project/privacy/).

    Its record is in Kafka still, and its row may be as new as the claim. Whether anybody was erased is asked once a
    second, not for each batch: what is claimed meanwhile counts as claimed before, and the job erases it.
    """

    def __init__(self) -> None:
        self._is_anybody = False
        self._ask_at = 0.0  # monotonic

    def split(self, rows: list[Claimed]) -> Split:
        if not self._anybody():
            return Split(rows)
        hashes = {row.id: _hashes_of(row) for row in rows}
        asked = [{"hash": each} for each in {each for of_row in hashes.values() for each in of_row}]
        found = dict(sql_claiming.forgotten(rows=as_json(asked)))
        gone = [row for row in rows if any(_is_before(row, found.get(each)) for each in hashes[row.id])]
        if not gone:
            return Split(rows)
        ids = {row.id for row in gone}
        Notification.objects.filter(pk__in=ids).update(**NOBODY)
        return Split([row for row in rows if row.id not in ids], end=[End(row, verdicts.cancelled()) for row in gone])

    def _anybody(self) -> bool:
        if (now := time.monotonic()) >= self._ask_at:
            self._is_anybody = bool(sql_claiming.anybody_forgotten())
            self._ask_at = now + ASK_EVERY
        return self._is_anybody


def _hashes_of(row: Claimed) -> list[str]:
    """Returns what may stand for the row's person, or for its receiver where it has none, under any of our keys.

    A row with a user is that person's alone: their address may be another one's as well.
    """
    return person_hashes(row.user) if row.user else receiver_hashes(row.channel, row.receiver)


class Rewound:
    """Ends as `held`, where the category says so, what is read again and may have been sent (`manage.py rewind`).

    The ledger was restored from a backup, which does not know what was sent since. Only what the groups had not read
    before, or what was published afterwards, is certainly unsent.
    """

    def __init__(self) -> None:
        self._before: dict[tuple[str, int | None], int] | None = None  # read once: no sender runs during a rewind

    def split(self, rows: list[Claimed]) -> Split:
        if self._before is None:
            self._before = {(each.topic, each.partition): each.before for each in models.Rewound.objects.all()}
        held = Category.held() if self._before else frozenset()
        if not held:
            return Split(rows)
        asked = Notification.objects.filter(pk__in=[row.id for row in rows if row.category in held])
        places = asked.values_list("pk", "topic", "partition", "offset")
        ids = {id for id, topic, number, offset in places if (offset or 0) < self._before.get((topic, number), 0)}
        why = "The ledger was restored from a backup, so nobody knows whether it was sent before."
        end = [End(row, _unknown(row, why)) for row in rows if row.id in ids]
        return Split([row for row in rows if row.id not in ids], end=end)


class Removed:
    """Ends as `held` what is older than the ledger keeps rows: it may be gone from there, and sent long ago.

    Such a notification can only come from a topic that keeps its records for longer and is read from its beginning
    again. Nobody can know whether it was sent, so a person decides.
    """

    def __init__(self, days: int) -> None:
        self._seconds = days * 86_400.0

    def split(self, rows: list[Claimed]) -> Split:
        if not self._old(rows, time.time()) or not (old := self._old(rows, _database_time())):
            return Split(rows)
        ids = {row.id for row in old}
        why = "It is older than the ledger keeps rows, so nobody knows whether it was sent before."
        return Split([row for row in rows if row.id not in ids], end=[End(row, _unknown(row, why)) for row in old])

    def _old(self, rows: list[Claimed], now: float) -> list[Claimed]:
        """Those of them that may be new in the ledger. A row that was there, replayed before any claim, has a reason.

        One from the outbox has none, so it counts as new if it is published as late as that.
        """
        before = now - self._seconds
        return [row for row in rows if row.accepted_at < before and row.claims == 1 and not row.reason]


def _is_before(row: Claimed, moment: datetime | str | None) -> bool:
    before = from_time(moment)
    return before is not None and row.accepted_at < before.timestamp()


def _database_time() -> float:
    """A worker's clock may be wrong; it is enough to say that nothing in a batch is old."""
    return cast("datetime", from_time(due.clock())).timestamp()


def _unknown(row: Claimed, why: str) -> Verdict:
    error = SendError(Cause.OUTCOME_UNKNOWN, why, uncertain=True)
    return verdicts.failed(error, attempts=row.attempts, hold=True, schedule=())


def in_order(by_hand: Gate, deciding: Gate, parking: Gate) -> list[Gate]:
    """Returns the gates of a channel in the order in which they are asked: the one place that says it."""
    of_every_claim = [Scheduled(), by_hand, deciding, parking, Expiry()]
    if not settings.KAFKA_BOOTSTRAP_SERVERS:  # the ledger is the queue, so nothing is read again
        return [Forgotten(), *of_every_claim]
    kept = settings.RETENTION_DAYS
    return [Forgotten(), Rewound(), *([Removed(kept)] if kept else []), *of_every_claim]


class Gates:
    """The gates of one channel, and the settling of what they keep back."""

    def __init__(self, channel: str, gates: Sequence[Gate], hooks: Hooks) -> None:
        self._channel = channel
        self._gates = gates
        self._hooks = hooks

    def let_through(self, rows: list[Claimed]) -> list[Claimed]:
        """Settles what a gate keeps back. Returns the rows that all gates let go, in order.

        Must be called inside the transaction that claims the rows.
        """
        if not rows:
            return rows
        began, go = time.monotonic(), rows
        later: list[Later] = []
        end: list[End] = []
        for gate in self._gates:
            split = gate.split(go)
            go = split.go
            later += split.later
            end += split.end
        results = [*(self._put_off(kept, began) for kept in later), *(self._ended(kept) for kept in end)]
        if results:
            settle(results, hooks=self._hooks)
        transaction.on_commit(partial(self._count, rows[0].priority, len(rows), results))
        return go

    def _put_off(self, kept: Later, began: float) -> Settlement:
        verdict = verdicts.put_back(kept.reason, kept.due_in)
        return Settlement(kept.row, verdict, self._channel, waits_from=began)

    def _ended(self, kept: End) -> Settlement:
        return Settlement(kept.row, kept.verdict, self._channel)

    def _count(self, priority: str, claimed: int, results: list[Settlement]) -> None:
        metrics.claimed.labels(self._channel, priority).inc(claimed)
        count_settled(results)
