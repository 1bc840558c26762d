"""What was measured into docs/performance.md, between its comments, and the plots beside it."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks.cpu import PARTS

ROOT = Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs" / "performance.md"
SCALING = ROOT / "docs" / "scaling.md"
IMAGES = ROOT / "docs" / "images"
HEAD = "| figure | must reach | measured | baseline | ratio | reached | |\n|---|---|---|---|---|---|---|"
PAGES = "desk-pages"  # the benchmark that has a table of its own
REACHED = {True: "yes", False: "**no**", None: "–"}


def render(results: Path, names: Sequence[str]) -> None:
    """Write the table, the machine and the plots from the results there are."""
    by_name = {name: json.loads(file.read_text()) for name in names if (file := results / f"{name}.json").exists()}
    found = list(by_name.values())
    text = DOCUMENT.read_text()
    text = replaced(text, "table", table([by_name[name] for name in by_name if name != PAGES]))
    text = replaced(text, "pages", table([by_name[PAGES]] if PAGES in by_name else []))
    text = replaced(text, "cpu", cpu(found))
    text = replaced(text, "machine", machines(found))
    DOCUMENT.write_text(text)
    SCALING.write_text(replaced(SCALING.read_text(), "needs", needs(found)))
    IMAGES.mkdir(exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "notifications"  # equal figures give equal files
    plot_in_flight(results / "in-flight.points.json")
    plot_backlog(results / "backlog.points.json")


def replaced(text: str, name: str, new: str) -> str:
    """The document with what stands between the comments of that name replaced."""
    block = f"<!-- bench:{name} -->\n{new}\n<!-- /bench:{name} -->"
    return re.sub(rf"<!-- bench:{name} -->.*<!-- /bench:{name} -->", lambda _: block, text, flags=re.DOTALL)


def table(found: Sequence[dict[str, Any]]) -> str:
    rows = [row(line) for result in found for line in result["lines"]]
    return "\n".join([HEAD, *rows]) if rows else "Nothing was measured yet: `make bench`."


def row(line: dict[str, Any]) -> str:
    cells = [line[name] for name in ("figure", "must", "measured", "baseline", "ratio")]
    return f"| {' | '.join([*cells, REACHED[line['reached']], line['note']])} |"


def cpu(found: Sequence[dict[str, Any]]) -> str:
    """What a notification costs each process, as the lines that measured it say."""
    costs = [line["cost"] for result in found for line in result["lines"] if line.get("cost")]
    head = f"| path | {' | '.join(PARTS)} | together | rate |\n|---|{'---|' * (len(PARTS) + 2)}"
    rows = [
        f"| {cost['path']} | {' | '.join(cell(cost['micros'].get(part)) for part in PARTS)}"
        f" | {cell(sum(cost['micros'].get(part, 0) for part in PARTS))} | {cost['rate']:,.0f}/s |"
        for cost in costs
    ]
    return "\n".join([head, *rows]) if rows else "Nothing was measured yet: `make bench`."


def cell(micros: float | None) -> str:
    """µs, to one place where the number is small; "–" for a process that has no part in it."""
    if micros is None:
        return "–"
    return f"{micros:.0f}" if micros >= 20 else f"{micros:.1f}"


def machines(found: Sequence[dict[str, Any]]) -> str:
    if not found:
        return "–"
    newest = max(found, key=lambda result: result["at"])
    oldest = min(result["at"] for result in found)
    minutes = sum(result["seconds"] for result in found) / 60
    return f"{newest['machine']}. Taken {oldest} to {newest['at']} UTC, {minutes:.0f} minutes of measuring."


NEEDS = {
    "web processes, one notification a call": "single",
    "web processes, batches of 500": "batch",
    "senders, SMTP answering in 20 ms, 256 in flight": "SMTP",
    "senders, Slack answering in 20 ms, 256 in flight": "Slack webhook",
    "senders, Twilio answering in 20 ms, 256 in flight": "Twilio",
    "senders, were there no provider to wait for": "sender",
}
TARGETS = (1_000, 10_000, 100_000)  # notifications a second


def needs(found: Sequence[dict[str, Any]]) -> str:
    """How many processes each target needs, at three quarters of what one was measured to do."""
    measured: dict[str, float] = {}
    for result in found:
        for line in result["lines"]:
            measured |= line["numbers"]
    head = f"| | one does | {' | '.join(f'{target:,}/s' for target in TARGETS)} |\n|---|---|---|---|---|"
    rows = [
        f"| {what} | {measured[name]:,.0f}/s | {' | '.join(at_least(t / (0.75 * measured[name])) for t in TARGETS)} |"
        for what, name in NEEDS.items()
        if name in measured
    ]
    if micros := measured.get("ledger µs"):
        cores = [f"{target * micros / 0.75e6:.1f}" for target in TARGETS]
        rows.append(f"| cores of PostgreSQL, settled at the first try | {micros:.0f} µs each | {' | '.join(cores)} |")
    return "\n".join([head, *rows]) if rows else "Nothing was measured yet: `make bench`."


def at_least(number: float) -> str:
    return str(max(1, math.ceil(number)))


def plot_in_flight(file: Path) -> None:
    if not file.exists():
        return
    points = json.loads(file.read_text())
    figure, axes = plt.subplots(figsize=(7, 3.5))
    numbers = [p["in flight"] for p in points]
    axes.plot(numbers, [p["rate"] for p in points], marker="o", label="one sender")
    ideal = [number / 0.02 for number in numbers]
    top = 1.3 * max(p["rate"] for p in points)
    axes.plot(numbers, ideal, linestyle=":", color="grey", label="in flight / 20 ms")
    axes.set_ylim(0, top)
    axes.set_xscale("log", base=2)
    axes.set_xticks(numbers, [str(number) for number in numbers])
    axes.set_xlabel("sends in flight")
    axes.set_ylabel("notifications a second")
    axes.set_title("Rate against sends in flight, Twilio answering in 20 ms")
    axes.legend()
    save(figure, "in-flight")


def plot_backlog(file: Path) -> None:
    if not file.exists():
        return
    points = json.loads(file.read_text())
    steps = [(before, after) for before, after in itertools.pairwise(points) if after["done"]]
    left = [points[-1]["done"] - after["done"] for _, after in steps]
    rates = [(after["done"] - before["done"]) / (after["second"] - before["second"]) for before, after in steps]
    figure, axes = plt.subplots(figsize=(7, 3.5))
    axes.plot(left, smoothed(rates), label="notifications a second")
    axes.set_xlabel("backlog")
    axes.set_ylabel("notifications a second")
    axes.set_ylim(0)
    axes.invert_xaxis()
    memory = axes.twinx()
    memory.plot(left, [after["megabytes"] for _, after in steps], color="tab:orange")
    memory.set_ylabel("resident MB", color="tab:orange")
    memory.set_ylim(0, 200)
    axes.set_title("Rate and memory of one sender against backlog, no-op provider")
    save(figure, "backlog")


def smoothed(values: Sequence[float], width: int = 4) -> list[float]:
    """Means over so many samples: a sender settles in batches."""
    parts = [values[max(0, end - width) : end] for end in range(1, len(values) + 1)]
    return [sum(part) / len(part) for part in parts]


def save(figure: Any, name: str) -> None:
    figure.tight_layout()
    figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None})
    plt.close(figure)
