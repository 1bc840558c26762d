"""CPU by process: what the web, Kafka, PostgreSQL and a sender have used, and what of it one notification cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import psutil

PARTS = ("web", "Kafka", "PostgreSQL", "sender")  # in the order in which a notification passes them
Seconds = dict[str, float]  # by part
Meter = Callable[[], Seconds]


def used_by(pid: int) -> float:
    """Returns the seconds of CPU of a process and of all that it started, those included that have ended."""
    top = psutil.Process(pid)
    seconds = 0.0
    for process in (*top.children(recursive=True), top):
        with suppress(psutil.NoSuchProcess):  # it ended just now, and its parent has its time
            seconds += sum(process.cpu_times()[:4])
    return seconds


def micros(before: Seconds, after: Seconds, notifications: float) -> dict[str, float]:
    """Returns the µs of CPU that each of so many notifications cost each part between two readings."""
    return {part: (after[part] - before[part]) / max(notifications, 1) * 1e6 for part in after}


def medians(costs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Returns the median cost of each part over several runs."""
    return {part: sorted(cost[part] for cost in costs)[len(costs) // 2] for part in costs[0]}


def in_words(cost: dict[str, float], *parts: str) -> str:
    """Returns `sender 45 µs, PostgreSQL 42 µs` for these parts, or for all that were measured."""
    return ", ".join(f"{part} {cost[part]:.0f} µs" for part in parts or PARTS if part in cost)
