"""The circuit breaker of one provider in one process: pure state, its clock passed in.

Closed: everything goes. Open: nothing goes but single probes, each after a longer pause. Resting: nothing goes,
for the provider asked our account to slow down. Ramping, after either: a growing number at once, back to closed
when that number is no limit any more.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from notifications.channels.outcomes import Cause

WINDOW = 10.0  # seconds
SHARE = 0.5
LEAST_FAILURES, LEAST_RECEIVERS = 10, 5
LEAST_WHILE_RAMPING = 2  # failures and receivers: less proof is needed that it is down again
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0  # seconds between probes
RAMP_FROM, RAMP_TO = 2, 1024  # sends at once
FULL = RAMP_TO * 1024

# What says something about the provider; a bad address or a 429 does not.
BLAMED_ON_PROVIDER = frozenset({Cause.PROVIDER_ERROR, Cause.CONNECTION, Cause.TIMEOUT, Cause.OUTCOME_UNKNOWN})


class _Window:
    """Sends and failures of the last ten seconds, in buckets of one."""

    def __init__(self) -> None:
        self._buckets: deque[tuple[int, list[int], set[str]]] = deque(maxlen=int(WINDOW))

    def add(self, now: float, failed_receiver: str | None) -> None:
        if not self._buckets or self._buckets[-1][0] != int(now):
            self._buckets.append((int(now), [0, 0], set()))
        _, counts, receivers = self._buckets[-1]
        counts[0] += 1
        if failed_receiver is not None:
            counts[1] += 1
            if len(receivers) < LEAST_RECEIVERS:
                receivers.add(failed_receiver)

    def is_outage(self, now: float, least_failures: int, least_receivers: int) -> bool:
        """Enough failures, over enough receivers, and a large enough share."""
        recent = [bucket for bucket in self._buckets if bucket[0] > now - WINDOW]
        sends = sum(counts[0] for _, counts, _ in recent)
        failures = sum(counts[1] for _, counts, _ in recent)
        if failures < least_failures or failures < SHARE * sends:
            return False
        return len(set().union(*(receivers for _, _, receivers in recent))) >= least_receivers


class Breaker:
    """Thread-safe. `on_change(is_open, cause)` is called, outside the lock, at each opening and closing."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[bool, Cause | None], None] = lambda _is_open, _cause: None,
    ) -> None:
        self.is_open = False
        self._clock = clock
        self._on_change = on_change
        self._limit = FULL
        self._epoch = 1  # grows at each opening; what was admitted before says nothing about after
        self._passed = 0  # sends of this epoch admitted whose end is not noted yet
        self._successes = 0  # since the limit last grew
        self._pause = FIRST_PAUSE
        self._probe_at = 0.0
        self.rest = 0.0  # seconds that the provider asked our account to wait, until everything goes again
        self._rests_until = 0.0
        self._own_rest = FIRST_PAUSE  # at least so long
        self._window = _Window()
        self._lock = threading.Lock()

    def admits(self) -> int:
        """Returns how many more sends may be admitted now."""
        with self._lock:
            return self._admits()

    def admit(self) -> int:
        """A ticket for one send that may be handed over now, or 0; `note` or `withdraw` must return it."""
        with self._lock:
            if self._admits() <= 0:
                return 0
            self._passed += 1
            return self._epoch

    def rest_of(self) -> float:
        """Seconds that what a rest does not admit has to wait, or 0.0 where it is no rest that admits nothing."""
        resting = self._clock() < self._rests_until
        return self.rest if resting else min(self.rest, LONGEST_PAUSE)

    def withdraw(self, ticket: int) -> None:
        """An admitted send was not handed over after all."""
        with self._lock:
            if ticket == self._epoch:
                self._passed -= 1

    def note(self, ticket: int, receiver: str, cause: Cause | None, rest: float | None = None) -> None:
        """How an admitted send ended: `cause` None is an answer that says the provider works.

        `rest` is given where the provider asked our account to slow down: so many seconds, or 0 for not saying.
        """
        with self._lock:
            if ticket != self._epoch:
                return
            self._passed -= 1
            was_open = self.is_open
            if self.is_open:
                self._after_probe(cause)
            else:
                self._observe(receiver, cause)
            if rest is not None and not self.is_open:
                self._rest(rest)
            changed = self.is_open != was_open
        if changed:
            self._on_change(self.is_open, cause)

    def _admits(self) -> int:
        if not self.is_open:
            return self._limit - self._passed if self._clock() >= self._rests_until else 0
        return 1 if self._passed <= 0 and self._clock() >= self._probe_at else 0

    def _observe(self, receiver: str, cause: Cause | None) -> None:
        now = self._clock()
        ramping = self._limit < FULL
        least = (LEAST_WHILE_RAMPING,) * 2 if ramping else (LEAST_FAILURES, LEAST_RECEIVERS)
        failed = cause in BLAMED_ON_PROVIDER
        if cause is None:
            self._own_rest = FIRST_PAUSE
        self._window.add(now, receiver if failed else None)
        if cause is Cause.CREDENTIALS or (failed and self._window.is_outage(now, *least)):
            self._open()
        elif ramping and not failed:
            self._ramp()

    def _after_probe(self, cause: Cause | None) -> None:
        if cause in BLAMED_ON_PROVIDER or cause is Cause.CREDENTIALS:
            self._open()
        else:
            self.is_open = False

    def _open(self) -> None:
        """Each opening before everything went again is followed by a longer pause."""
        self.is_open = True
        self._epoch += 1
        self._passed = 0
        self._probe_at = self._clock() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        self._limit, self._successes = RAMP_FROM, 0
        self._window = _Window()
        self.rest = self._rests_until = 0.0

    def _rest(self, seconds: float) -> None:
        """Each rest that not one good answer came before is longer."""
        self._epoch += 1
        self._passed = 0
        self.rest = max(seconds, self._own_rest)
        self._rests_until = self._clock() + self.rest
        self._own_rest = min(2 * self._own_rest, LONGEST_PAUSE)
        self._limit, self._successes = RAMP_FROM, 0

    def _ramp(self) -> None:
        self._successes += 1
        if self._successes >= self._limit:
            self._limit, self._successes = 2 * self._limit, 0
        if self._limit >= RAMP_TO:
            self._limit, self._pause, self.rest = FULL, FIRST_PAUSE, 0.0
