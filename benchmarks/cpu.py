"""CPU by process: what the web, Kafka, PostgreSQL and a sender have used, and what of it one notification cost."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PARTS = ("web", "Kafka", "PostgreSQL", "sender")  # in the order in which a notification passes them
TICKS = os.sysconf("SC_CLK_TCK")  # in a second
Pids = Mapping[str, int]  # by part: a process that stands for all that it started
Seconds = dict[str, float]  # by part


def used(pids: Pids) -> Seconds:
    """Returns the seconds of CPU of each process and of all that it started, those included that have ended.

    All of them are read in one pass over /proc, some 15 µs for each process of the machine: this is called while
    something is measured.
    """
    seconds: dict[int, float] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended just now, and its parent has its time
            fields = file.read_text().rpartition(")")[2].split()
            pid = int(file.parent.name)
            children[int(fields[1])].append(pid)
            seconds[pid] = sum(map(int, fields[11:15])) / TICKS  # its own, and that of its children that have ended

    def of_tree(pid: int) -> float:
        return seconds.get(pid, 0.0) + sum(of_tree(child) for child in children[pid])

    return {part: of_tree(pid) for part, pid in pids.items()}


def micros(before: Seconds, after: Seconds, notifications: float) -> dict[str, float]:
    """Returns the µs of CPU that each of so many notifications cost each part between two readings."""
    return {part: (after[part] - before[part]) / max(notifications, 1) * 1e6 for part in after}


def medians(costs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Returns the median cost of each part over several runs."""
    return {part: sorted(cost[part] for cost in costs)[len(costs) // 2] for part in costs[0]}


def in_words(cost: dict[str, float], *parts: str) -> str:
    """Returns `sender 45 µs, PostgreSQL 42 µs` for these parts, or for all that were measured."""
    return ", ".join(f"{part} {cost[part]:.0f} µs" for part in parts or PARTS if part in cost)
