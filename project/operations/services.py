"""Whether Kafka answers, asked beside the pages, so that none of them waits for one that does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from project.operations.health import broker_problem

FRESH = 5.0  # seconds in which an answer is not asked for again
STALE = 60.0  # seconds after which it says nothing any more
PATIENCE = 0.1  # seconds that a page waits for the first one


@dataclass(frozen=True, slots=True)
class Answer:
    problem: str  # "": it answers
    at: float  # monotonic


class Asked:
    """Asks in a thread of its own, and gives the newest answer that there is."""

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._asking: threading.Thread | None = None
        self._answer: Answer | None = None

    def problem(self) -> str | None:
        """Returns the problem, "" where there is none, and None where it is not known yet. Waits hardly at all."""
        with self._lock:
            if not self._is_younger_than(FRESH) and not (self._asking and self._asking.is_alive()):
                self._asking = threading.Thread(target=self._find_out, name="asked", daemon=True)
                self._asking.start()
            asking = self._asking
        if asking and not self._is_younger_than(STALE):
            asking.join(PATIENCE)
        answer = self._answer
        return answer.problem if answer and self._is_younger_than(STALE) else None

    def _is_younger_than(self, seconds: float) -> bool:
        return self._answer is not None and time.monotonic() - self._answer.at < seconds

    def _find_out(self) -> None:
        self._answer = Answer(self._ask(), time.monotonic())


broker = Asked(broker_problem)
