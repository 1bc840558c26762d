"""Decides how many records a channel's consumers claim next: there is always something to send, and few rows wait."""

from __future__ import annotations

import time
from threading import Event
from typing import Protocol

from notifications.messages.words import PRIORITIES
from notifications.sending.custody import Custody
from notifications.sending.pool import Pool

BATCH = 500
CLAIM_AHEAD = 512  # rows of one priority claimed and not yet being sent, at most
MOST_BYTES = 16 * 1024**2  # of texts claimed and not settled; a sender may have 512 MiB
SLOW = 1500  # sends a second; below it the provider is the limit, and a consumer has time to look for everybody's share
LONGEST_WAIT = 0.5  # seconds without a poll, while nothing is wanted
WAIT_FOR_PROVIDER, WAIT_FOR_MEMORY = 0.1, 0.02  # seconds between two looks


class Admits(Protocol):
    """What has to be known of the channel's providers."""

    def admits(self) -> int:
        """Returns how many more sends they admit now."""


class Paused(Protocol):
    """What has to be known of pauses by hand."""

    def reads(self) -> bool | None:
        """Returns None where the channel is not paused, and otherwise whether its records are read all the same."""


class Appetite:
    """Of one channel. Its two consumers ask, and what sends tells when it has sent."""

    def __init__(
        self, channel: str, route: Admits, pool: Pool, custody: Custody, stopping: Event, *, by_hand: Paused
    ) -> None:
        self._channel = channel
        self._route = route
        self._pool = pool
        self._custody = custody
        self._stopping = stopping
        self._by_hand = by_hand
        self.pace = Pace()

    def wanted(self, priority: str) -> int:
        """Returns how many records to claim now: none rather than a few, for a claim costs the same for many."""
        if (reads := self._by_hand.reads()) is not None:
            return BATCH if reads else 0
        ahead = self._claim_ahead()
        waiting = self._pool.waiting(priority)
        if waiting > ahead // 2 or self._has_enough_bytes():
            return 0
        return min(ahead - waiting, max(self._admitted(), 0), BATCH)

    def wait(self, priority: str) -> None:
        """Waits, where nothing is wanted, until something may be; or a moment."""
        if self._has_enough_bytes():
            self._stopping.wait(WAIT_FOR_MEMORY)
        elif self._by_hand.reads() is not None or self._admitted() <= 0:
            self._stopping.wait(WAIT_FOR_PROVIDER)
        else:
            self._pool.wait_until_few(priority, self._claim_ahead() // 2, LONGEST_WAIT)

    def is_slow(self, priority: str) -> bool:
        """Returns whether rows wait for sends, and these for the provider: then each client is to have its share."""
        return self._pool.waiting(priority) > 0 and self.pace.rate() < SLOW

    def _claim_ahead(self) -> int:
        """Enough rows to have something to send while the next are claimed, and no more: they may wait long."""
        return min(max(2 * self._pool.at_once, int(self.pace.rate() / 2)), CLAIM_AHEAD)

    def _has_enough_bytes(self) -> bool:
        return self._custody.bytes_of(self._channel) >= MOST_BYTES

    def _admitted(self) -> int:
        return self._route.admits() - sum(map(self._pool.waiting, PRIORITIES))


class Pace:
    """Sends a second, over the last full quarters of a second."""

    def __init__(self) -> None:
        self._count = 0
        self._since = time.monotonic()
        self._rate = 0.0

    def add(self) -> None:
        self._count += 1  # threads may lose one to another: a measure, not a ledger

    def rate(self) -> float:
        now = time.monotonic()
        if now - self._since >= 0.25:
            self._rate = self._count / (now - self._since)
            self._count, self._since = 0, now
        return self._rate
