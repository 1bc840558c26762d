"""Waits for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, deadline: float = 30.0, what: str = "") -> T:
    """Returns the first true value of `condition`. Raises AssertionError, with `what`, after `deadline` seconds.

    Asks each 20 ms at first and each 100 ms in the end: a look at the ledger takes 8 ms of a processor, which what
    is waited for needs, too.
    """
    begin = time.monotonic()
    while not (value := condition()):
        waited = time.monotonic() - begin
        if waited > deadline:
            raise AssertionError(f"after {deadline:g} s still not so: {what or condition}; last value {value!r}")
        time.sleep(min(max(0.02, waited / 10), 0.1))
    return value
