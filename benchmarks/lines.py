"""A line of the table in docs/performance.md."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from harness.services.postgres import find


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a notification on a path costs each process, in µs of CPU: a line of the table of CPU."""

    path: str
    rate: float  # at which it was measured, per second
    micros: dict[str, float]  # by part, see cpu.PARTS


@dataclass(frozen=True, kw_only=True)
class Line:
    """What was measured, beside what; `reached` is None where nothing is promised or nothing could be measured."""

    figure: str
    must: str
    measured: str
    baseline: str = "–"
    ratio: str = "–"
    reached: bool | None = None
    note: str = ""
    numbers: dict[str, float] = field(default_factory=dict)  # for docs/scaling.md
    cost: Cost | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def beside(
    figure: str, must: str, ours: Sequence[float], theirs: Sequence[float], *, least: float, **more: Any
) -> Line:
    """A rate beside its baseline, taken in turns: reached where the median of the pairs' ratios is at `least`."""
    ratio = ratio_of(ours, theirs)
    rates = {"measured": f"{median(ours):,.0f}/s", "baseline": f"{median(theirs):,.0f}/s", "reached": ratio >= least}
    return Line(figure=figure, must=must, ratio=shown(ratio), **{**rates, **more})


def ratio_of(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the pairs' ratios."""
    return median([a / b for a, b in zip(ours, theirs, strict=True)])


def shown(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def not_measured(figure: str, must: str, why: str) -> Line:
    return Line(figure=figure, must=must, measured="not measured", note=why)


def machine() -> str:
    """What the figures were taken on, as one sentence."""
    model = _value(Path("/proc/cpuinfo"), "model name") or platform.processor()
    memory = psutil.virtual_memory().total / 2**30
    versions = f"Python {platform.python_version()}, {_version_of('postgres')}, {_version_of('java')}"
    system = f"{platform.system()} {platform.release().partition('-')[0]}"
    return f"{psutil.cpu_count()} cores ({model}), {memory:.0f} GiB, {system}; {versions}"


def _value(file: Path, name: str) -> str:
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")


def _version_of(program: str) -> str:
    command = [str(find("postgres")), "--version"] if program == "postgres" else ["java", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = (done.stdout.splitlines() or [program])[0]
    return words.replace("postgres (PostgreSQL)", "PostgreSQL").partition(" (")[0]
