"""Asks any web of the site, of which some are dead or stand still."""

from __future__ import annotations

import json
import random
from http.client import HTTPException

from harness.platform.web import Answer
from tests.faults.site import Site

JSON = {"Content-Type": "application/json"}


class Caller:
    def __init__(self, site: Site, dice: random.Random) -> None:
        self._platform = site.platform
        self._dice = dice

    def ask(self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None) -> Answer | None:
        """Returns the answer, or None where there was no whole one. `body` becomes JSON, unless it is bytes."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        ports = list(self._platform.ports)
        if not ports:
            return None
        try:
            port = self._dice.choice(ports)
            return self._platform.request(method, path, raw, headers or (JSON if raw else {}), port=port)
        except (OSError, HTTPException):
            return None


def is_done(answer: Answer | None, *good: int) -> bool:
    """Returns whether it is certain that it was done. Raises AssertionError where the answer is none that may come."""
    assert answer is None or answer.status in (*good, 503), f"answered {answer.status}: {answer.body!r}"
    return answer is not None and answer.status != 503
