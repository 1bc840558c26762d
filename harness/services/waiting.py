"""Waits for a condition, never for a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(condition: Callable[[], T], *, deadline: float = 30.0, what: str = "") -> T:
    """Returns the first true value of `condition`. Raises AssertionError, with `what`, after `deadline` seconds."""
    end = time.monotonic() + deadline
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"after {deadline:g} s still not so: {what or condition}; last value {value!r}")
        time.sleep(0.02)
    return value
