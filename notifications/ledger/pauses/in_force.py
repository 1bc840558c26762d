"""The pauses as a process last read them: one small table, once a second, whatever is sent meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from notifications.ledger.pauses import lately
from notifications.messages.words import PauseKind

LONGEST_WAIT = 86_400.0  # seconds until what is stopped is looked at again, where nobody ends the pause before
# After a pause what it stopped goes before what is new of its receiver. By then it has gone, or its record is lost.
IN_ORDER_FOR = timedelta(hours=1)

Providers = Sequence[str]


@dataclass(frozen=True, slots=True)
class Stop:
    """A pause in force. Times are the clock's."""

    began: float
    ends: float = math.inf

    def left(self, now: float | None = None) -> float:
        """Returns the seconds until its end, or until a row that it stops now is looked at again."""
        return min(max(self.ends - (time.monotonic() if now is None else now), 0.0), LONGEST_WAIT)


@dataclass(frozen=True, slots=True)
class _Known:
    stops: Mapping[tuple[str, str], Stop] = field(default_factory=dict)  # by kind and name
    names_rows: bool = False  # there is one of a category or a client
    just_ended: bool = False


class Pauses:
    """Of one process: one thread reads them from the database, all others ask.

    What is known is replaced as a whole, never changed, so that nobody needs a lock. A pause that ends by itself
    ends here at its time, and not only when it is read again.
    """

    def __init__(self) -> None:
        self._known = _Known()

    def refresh(self) -> None:
        """Reads them again, with one query. Raises what the database raises."""
        now, pauses = time.monotonic(), lately.read(IN_ORDER_FOR)
        stops = {
            (pause.kind, pause.name): Stop(now + pause.began, math.inf if pause.ends is None else now + pause.ends)
            for pause in pauses
            if pause.in_force
        }
        of_rows = (PauseKind.CATEGORY, PauseKind.CLIENT)
        self._known = _Known(stops, any(kind in of_rows for kind, _ in stops), just_ended=len(stops) < len(pauses))

    @property
    def just_ended(self) -> bool:
        """Returns whether a pause has ended, and what it stopped may not have gone yet."""
        known = self._known
        return known.just_ended or any(stop.ends <= time.monotonic() for stop in known.stops.values())

    @property
    def names_rows(self) -> bool:
        """Returns whether rows have to be looked at one by one, for their category or client may be paused."""
        return self._known.names_rows

    def of_channel(self, channel: str, providers: Providers) -> Stop | None:
        """Returns what stops a whole channel: its own pause, the platform's, or that of all of its providers."""
        if not self._known.stops:
            return None
        of_providers = [self.of_provider(name) for name in providers]
        last = min((stop for stop in of_providers if stop), key=lambda stop: stop.ends, default=None)
        return self._longest(
            self._stop(PauseKind.PLATFORM, ""),
            self._stop(PauseKind.CHANNEL, channel),
            last if all(of_providers) else None,
        )

    def of_provider(self, name: str) -> Stop | None:
        return self._stop(PauseKind.PROVIDER, name) if self._known.stops else None  # asked for each send

    def of_row(self, category: str, client: str) -> Stop | None:
        """Returns what stops a row, but for what stops its whole channel."""
        return self._longest(self._stop(PauseKind.CATEGORY, category), self._stop(PauseKind.CLIENT, client))

    @property
    def of_platform(self) -> Stop | None:
        """Returns the read-only mode, where it is on."""
        return self._stop(PauseKind.PLATFORM, "") if self._known.stops else None  # asked for each POST

    def _stop(self, kind: PauseKind, name: str) -> Stop | None:
        stop = self._known.stops.get((kind, name))
        return stop if stop is not None and stop.ends > time.monotonic() else None

    @staticmethod
    def _longest(*stops: Stop | None) -> Stop | None:
        return max((stop for stop in stops if stop), key=lambda stop: stop.ends, default=None)
