"""Claim, settle, due and the API's list, on a ledger of five million rows beside one of ten thousand. FULL only."""

from __future__ import annotations

import json

from benchmarks.bench import Bench
from benchmarks.intake import start_web
from benchmarks.lines import Line
from benchmarks.measure import load_reads, median, run
from benchmarks.services import KNOWN_ROWS
from harness.ledger_rows import insert
from harness.platform import Platform

ROWS = 5_000_000
MUST = "no slower than 1.3 × with 10,000 rows"


def five_million(bench: Bench) -> list[Line]:
    """Both ledgers in turns, so that what disturbs one disturbs the other."""
    small, large = bench.services.fresh(), bench.services.fresh()
    insert(large, bench.size(ROWS, 20_000), ends_before=1_200_000)
    rounds = [(_milliseconds(small), _milliseconds(large)) for _ in range(bench.times(3))]
    lines = [
        _line(f"{verb} on {ROWS:,} rows", [few[verb] for few, _ in rounds], [many[verb] for _, many in rounds])
        for verb in rounds[0][0]
    ]
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


def _line(figure: str, few: list[float], many: list[float]) -> Line:
    ratio = median([b / a for a, b in zip(few, many, strict=True)])
    return Line(
        figure=figure,
        must=MUST,
        measured=f"{median(many):.1f} ms",
        baseline=f"{median(few):.1f} ms with {KNOWN_ROWS:,}",
        ratio=f"{ratio:.2f}",
        reached=ratio <= 1.3,
    )
