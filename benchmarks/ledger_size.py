"""Claim, settle, due and the API's list, on a ledger of five million rows beside one of ten thousand. FULL only."""

from __future__ import annotations

import json

from benchmarks import weeks
from benchmarks.bench import Bench
from benchmarks.intake import start_web
from benchmarks.lines import Line, ratio_of, shown
from benchmarks.measure import load_reads, median, run
from benchmarks.services import KNOWN_ROWS
from harness.platform import Platform

ROWS = 5_000_000
GOALS = {"claim of 500": 1.15, "settle of 500": 1.15, "due, 500": 1.15}  # times; of the others:
OTHERS = 1.3


def five_million(bench: Bench) -> list[Line]:
    """Both ledgers in turns, so that what disturbs one disturbs the other; both in as many weekly partitions."""
    small, large = bench.services.fresh(), bench.services.fresh()
    weeks.fill(small, 0)
    weeks.fill(large, bench.size(ROWS, 20_000))
    rounds = [(_milliseconds(small), _milliseconds(large)) for _ in range(bench.times(3))]
    lines = [_line(verb, [few[verb] for few, _ in rounds], [many[verb] for _, many in rounds]) for verb in rounds[0][0]]
    bench.services.drop(small)
    bench.services.drop(large)
    return lines


def _milliseconds(site: Platform) -> dict[str, float]:
    """Milliseconds for each verb, medians of many."""
    seconds: dict[str, float] = json.loads(run(site, "benchmarks.with_django", "verbs"))
    start_web(site)
    key = site.create_api_key("read")
    seconds["list, newest"] = median(load_reads(site.ports[-1], "/notifications", key))
    seconds["list of one receiver"] = median(load_reads(site.ports[-1], "/notifications?receiver=r7@example.com", key))
    site.kill_all()
    return seconds


def _line(verb: str, few: list[float], many: list[float]) -> Line:
    ratio, most = ratio_of(many, few), GOALS.get(verb, OTHERS)
    return Line(
        figure=f"{verb} on {ROWS:,} rows in weekly partitions",
        must=f"no slower than {most:g} × with {KNOWN_ROWS:,} rows",
        measured=f"{median(many):.1f} ms",
        baseline=f"{median(few):.1f} ms with {KNOWN_ROWS:,}",
        ratio=shown(ratio),
        reached=ratio <= most,
    )
