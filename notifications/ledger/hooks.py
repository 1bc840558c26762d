"""What the rest of the product does with the ledger's news: one object, handed over at the start of each process.

`notifications` imports nothing that stands above it, so whoever wires a process (a command, a test) gives the
implementation to the sender and the scheduler, and these pass it to every function that ends rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from uuid import UUID

import msgspec
from django.db import transaction

from notifications.channels.outcomes import Bounce, Cause
from notifications.ledger.minutes import Key, minutes
from notifications.messages.words import Happened, Status, SuppressedFor
from project import metrics
from project.logs import events
from users.recipients.suppression import SOFT, Address, New, suppress_all

# How the minutes count an end. A send that succeeded is counted where it is settled.
ENDS: dict[str, Happened] = {
    Status.DEAD: Happened.DEAD,
    Status.HELD: Happened.HELD,
    Status.EXPIRED: Happened.EXPIRED,
}


# Why an address is suppressed after a failure. One that may pass is a bounce, and counts.
SUPPRESSED_FOR = {
    Bounce.HARD: SuppressedFor.BOUNCED,
    Bounce.SOFT: SuppressedFor.BOUNCED,
    Bounce.STOP: SuppressedFor.STOP,
    Bounce.GONE: SuppressedFor.GONE,
}


class FinalRow(msgspec.Struct, frozen=True, gc=False):
    """A row that reached an end."""

    id: UUID
    status: str
    channel: str
    cause: str
    error: str
    attempts: int
    topic: str
    partition: int | None
    offset: int | None
    provider: str = ""
    trace_id: str = ""
    generation: int = 1
    claims: int = 0
    receiver_hash: str = ""
    bounce: Bounce | None = None  # no column: what its last failure says of the address


class Unclaimable(msgspec.Struct, frozen=True):
    """A record that cannot become a row: not readable, or refused by the database."""

    cause: Cause
    error: str
    channel: str
    topic: str
    partition: int
    offset: int
    value: bytes
    id: UUID | None = None  # of the notification, where at least that could be read


class Hooks:
    """Does nothing at any of them. A part of the product that has something to do overrides what concerns it.

    The first two run inside the ledger's own transaction: what they write is committed with the rows or not at
    all, and what they raise fails the whole batch. They may take a constant number of statements for a batch.
    """

    def on_final(self, rows: Sequence[FinalRow]) -> None:
        """Called with the rows that came to an end, but not with those that were simply sent."""

    def on_unclaimable(self, records: Sequence[Unclaimable]) -> None:
        """Called with the records that cannot become rows and have none, in the transaction of their batch's claim."""

    def discarded(self, _ids: Sequence[UUID]) -> set[UUID]:
        """Returns those of these notifications, which have stopped, that a person has given up."""
        return set()

    def do_chores(self) -> None:
        """Called by every scheduler each few seconds, outside of any transaction, for what takes a moment."""


NO_HOOKS = Hooks()


def tell_final(rows: Sequence[FinalRow], hooks: Hooks) -> None:
    """Tells the hooks of rows that came to an end, inside the caller's transaction, and counts them.

    Addresses that turned out to be bad are suppressed in the same transaction.
    """
    if rows:
        transaction.on_commit(partial(_count_ends, rows))
        suppress_all(_suppressions(rows))
        hooks.on_final(rows)


def _suppressions(rows: Iterable[FinalRow]) -> Iterator[New]:
    """Yields what follows from dead rows for their addresses. Whatever was given up meanwhile has its cause alone."""
    for row in rows:
        bounce = row.bounce or (Bounce.SOFT if row.cause == Cause.MAILBOX_FULL else None)
        if bounce and row.status == Status.DEAD and row.receiver_hash:
            address, points = Address(row.channel, row.receiver_hash), SOFT if bounce is Bounce.SOFT else 0.0
            yield New(address, SUPPRESSED_FOR[bounce], "", points, row.error, row.provider)


def _count_ends(rows: Sequence[FinalRow]) -> None:
    """Counts the ends, and writes their lines, which a sender writes of what simply was sent."""
    counts: Counter[Key] = Counter()
    now = events.now()
    lines: list[events.Event] = []
    for row in rows:
        if row.status == Status.DEAD:
            metrics.dead.labels(row.channel, row.cause).inc()
        if happened := ENDS.get(row.status):
            counts[row.channel, row.provider, happened, row.cause] += 1
        if end := events.ENDS.get(row.status):
            lines.append(end(now, row.id, row.trace_id, row.channel, row.provider, row.attempts, row.cause))
    minutes.add(counts)
    events.write(lines)


def tell_unclaimable(records: Sequence[Unclaimable], without_row: Sequence[Unclaimable], hooks: Hooks) -> None:
    """Counts the records, and tells the hooks of those that have no row, inside the caller's transaction."""
    transaction.on_commit(partial(_count_unclaimable, records, without_row))
    if without_row:
        hooks.on_unclaimable(without_row)


def _count_unclaimable(records: Sequence[Unclaimable], without_row: Sequence[Unclaimable]) -> None:
    now = events.now()
    for record in records:
        metrics.unclaimable.labels(record.cause).inc()
    places = [(each.id, each.topic, each.partition, each.offset, each.cause.value) for each in records]
    events.write([events.Unreadable(now, *place) for place in places])
    minutes.add(Counter((record.channel, "", Happened.DEAD, record.cause.value) for record in without_row))
