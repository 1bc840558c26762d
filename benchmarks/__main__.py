"""`python -m benchmarks [NAME …]`: measures, keeps what was found in var/bench/, and renders docs/performance.md.

FULL=1 adds what takes millions of rows, OTHERS=1 other systems beside ours.
`--scale 0.05` is a smoke test: nothing of it is kept or rendered.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from django.utils.module_loading import import_string

from benchmarks.bench import Bench
from benchmarks.lines import Line, machine
from benchmarks.render import DOCUMENT, ROOT, render
from benchmarks.services import Services
from harness.services import jars, postgres

RESULTS = ROOT / "var" / "bench"
# In the order of the table. A benchmark takes a Bench and gives the table's lines.
BENCHMARKS = {
    "single": "benchmarks.intake.single",
    "batch": "benchmarks.intake.batch",
    "noop": "benchmarks.drain.noop",
    "traced": "benchmarks.traced.noop",
    "decided": "benchmarks.recipients.chosen",
    "capped": "benchmarks.recipients.capped",
    "folded": "benchmarks.recipients.folded",
    "two-senders": "benchmarks.senders.noop",
    "slack": "benchmarks.providers.slack",
    "sms": "benchmarks.providers.sms",
    "email": "benchmarks.providers.email",
    "ledger-size": "benchmarks.ledger_size.five_million",
    "ledger-log": "benchmarks.ledger_log.three_million",
    "idle-run": "benchmarks.idle.embedded",
    "idle-sender": "benchmarks.idle.sender",
    "latency": "benchmarks.latency.steady",
    "under-bulk": "benchmarks.latency.under_bulk",
    "scheduled": "benchmarks.latency.scheduled",
    "slow-sends": "benchmarks.trouble.slow_sends",
    "hot-receiver": "benchmarks.trouble.hot_receiver",
    "backlog": "benchmarks.growth.backlog",
    "senders": "benchmarks.senders.at_provider",
    "scheduler": "benchmarks.scheduling.due_at_once",
    "without-kafka": "benchmarks.outbox.without_kafka",
    "in-flight": "benchmarks.providers.in_flight",
    "desk-pages": "benchmarks.desk_pages.pages",
    "others-noop": "benchmarks.others.lines.noop",
    "others-http": "benchmarks.others.lines.http",
}
# What a variable adds where it is 1.
ONLY_WITH = {"FULL": {"ledger-size", "ledger-log"}, "OTHERS": {"others-noop", "others-http"}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHMARKS)}; default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="below 1 a smoke test")
    parser.add_argument("--render", action="store_true", help="only write the document anew")
    given = parser.parse_args()
    full = os.environ.get("FULL") == "1"
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if not given.render:
        left_out = {name for variable, names in ONLY_WITH.items() if os.environ.get(variable) != "1" for name in names}
        names = given.names or [name for name in BENCHMARKS if name not in left_out]
        failed = run(names, scale=given.scale, full=full)
        if given.scale < 1 or failed:
            sys.exit(f"failed: {', '.join(failed)}" if failed else 0)
    render(RESULTS, list(BENCHMARKS))
    print(f"written: {DOCUMENT}")


def run(names: list[str], *, scale: float, full: bool) -> list[str]:
    """Measure these, one after the other; the names of those that failed."""
    if missing := [program for program in (postgres.missing_program(), jars.missing_program()) if program]:
        sys.exit(f"The benchmarks need {' and '.join(missing)}.")
    RESULTS.mkdir(parents=True, exist_ok=True)
    directory = RESULTS if scale >= 1 else Path(tempfile.mkdtemp(prefix="ntf-bench-smoke-"))
    failed = []
    with Services() as services:
        bench = Bench(services, directory, scale=scale, full=full)
        for name in names:
            try:
                measure(name, bench)
            except Exception as error:  # one that fails must not hide the others
                failed.append(name)
                print(f"{name} FAILED: {error}", flush=True)
            services.drop_all()
    return failed


def measure(name: str, bench: Bench) -> None:
    began = time.monotonic()
    lines: list[Line] = import_string(BENCHMARKS[name])(bench)
    took = time.monotonic() - began
    for line in lines:
        show(line)
    print(f"  ({name}: {took:.0f} s)", flush=True)
    about = {"at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}", "machine": machine(), "seconds": round(took)}
    result = about | {"lines": [line.as_dict() for line in lines]}
    (bench.directory / f"{name}.json").write_text(json.dumps(result, indent=1))


def show(line: Line) -> None:
    mark = {True: "reached", False: "NOT REACHED", None: ""}[line.reached]
    print(
        f"{line.figure}: {line.measured}, beside {line.baseline}, ratio {line.ratio}; {line.must}: {mark} {line.note}"
    )


if __name__ == "__main__":
    main()
