"""Caches what follows from settings: Django's settings cost 0.2 µs at each look, which hot paths cannot afford."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, ParamSpec, TypeVar

from django.core.signals import setting_changed

P = ParamSpec("P")
R = TypeVar("R")


def cache_of_settings(function: Callable[P, R]) -> Callable[P, R]:
    """Returns the function, whose results are cached until a setting changes, as only tests do in a running process.

    What it raises is not cached. So it must raise for words of a caller's that name nothing, or never be given any:
    they would take memory without end.
    """
    cached: Any = cache(function)

    def forget(**_: Any) -> None:
        cached.cache_clear()

    setting_changed.connect(forget, weak=False)
    cached_function: Callable[P, R] = cached
    return cached_function
