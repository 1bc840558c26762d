"""The gate of pauses by hand, and what a sender reads and keeps in memory while something is paused.

A whole channel (or all of its providers, or the platform) is paused by reading nothing, as an outage is: its records
stay where they are, and nothing is written however many they are. What is in memory goes back to the ledger. What a
category or a client has stopped is claimed with everything else, and waits in the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

from django.conf import settings

from notifications.ledger import stopped
from notifications.ledger.pauses.in_force import Pauses, Stop
from notifications.ledger.rows import Claimed
from notifications.messages.words import Reason
from notifications.sending.gates import Later, Split

# Kafka keeps records for a time, and a pause may last longer. From then on they are claimed, and wait in the ledger.
READS_AFTER = 6 * 3600.0  # seconds
BEHIND = 1.0  # seconds until a row that lets older ones go first is looked at again


class ByHand:
    """The gate of one channel with these providers. It remembers nothing. Thread-safe."""

    def __init__(
        self, channel: str, providers: Sequence[str], pauses: Pauses, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._channel_stop = partial(pauses.of_channel, channel, providers)
        self._pauses = pauses
        self._clock = clock

    def split(self, rows: list[Claimed]) -> Split:
        """Puts off what is paused, and what is new of a receiver of whom older rows come back from a pause.

        The second costs a statement for each batch, until an hour after a pause. An older row that comes back in the
        same batch, where its record may be behind the newer one's, goes first.
        """
        split = self.split_again(rows)
        if split.go and self._pauses.just_ended:
            behind = stopped.behind(split.go)
            split.later += [Later(row, Reason.STOPPED, BEHIND) for row in split.go if row.id in behind]
            split.go = sorted((row for row in split.go if row.id not in behind), key=lambda row: row.id.int)
        return split

    def split_again(self, rows: list[Claimed]) -> Split:
        """Puts off what is paused, without asking the database: on the way from the gates to the pool."""
        stop = self._channel_stop()
        if stop is None and not self._pauses.names_rows:
            return Split(rows)
        now, split = self._clock(), Split([])
        for row in rows:
            if found := stop or self._pauses.of_row(row.category, row.client):
                split.later.append(Later(row, Reason.STOPPED, found.left(now)))
            else:
                split.go.append(row)
        return split

    def stops(self, row: Claimed) -> bool:
        """Returns whether a row that waits in memory is paused."""
        return bool(self._channel_stop() or self._pauses.of_row(row.category, row.client))

    def stops_something(self) -> bool:
        """Returns whether a row of the channel can be paused."""
        return self._pauses.names_rows or self._channel_stop() is not None

    def left_of_channel(self) -> float | None:
        """Returns the seconds for which the whole channel is paused, or None where it is not."""
        stop = self._channel_stop()
        return None if stop is None else stop.left(self._clock())

    def reads(self) -> bool | None:
        """Returns None where the channel is not paused, and otherwise whether its records are read all the same."""
        stop = self._channel_stop()
        return None if stop is None else self._must_read(stop)

    def _must_read(self, stop: Stop) -> bool:
        """The read-only mode moves no rows, however long it lasts."""
        if self._pauses.of_platform or not settings.KAFKA_BOOTSTRAP_SERVERS:
            return False
        return self._clock() - stop.began > READS_AFTER
