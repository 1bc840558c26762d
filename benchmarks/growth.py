"""How rate and memory move with the backlog."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.drain import IN_FLIGHT, NOOP, check_ledger
from benchmarks.lines import Line
from benchmarks.measure import Drained, Sender, publish, rate_between


def backlog(bench: Bench) -> list[Line]:
    """For the plot: rate and memory while 200,000 drain; with FULL=1 a million, first tenth beside last."""
    count = bench.size(1_000_000 if bench.full else 200_000)
    site = bench.services.fresh(**NOOP)
    publish(site, "EMAIL", count)
    drained = Sender(site, "EMAIL", IN_FLIGHT).drained(count, every=0.5)
    check_ledger(site, count)
    bench.services.drop(site)
    start = drained.samples[0].at
    points = [{"second": s.at - start, "done": s.done, "megabytes": s.megabytes} for s in drained.samples]
    bench.keep("backlog", points)
    return [_backlog_line(drained, count)]


def _backlog_line(drained: Drained, count: int) -> Line:
    first, last = rate_between(drained.samples, count, 0.01, 0.1), rate_between(drained.samples, count, 0.9, 0.99)
    ratio = last / first
    return Line(
        figure=f"backlog of {count:,}, no-op provider",
        must="same rate ±10 % from first to last tenth; resident memory flat, < 150 MB",
        measured=f"last tenth {last:,.0f}/s, at most {drained.megabytes:.0f} MB",
        baseline=f"first tenth {first:,.0f}/s",
        ratio=f"{ratio:.2f}",
        reached=0.9 <= ratio <= 1.1 and drained.megabytes < 150 if count >= 1_000_000 else None,
        note="" if count >= 1_000_000 else "the promise is about 1,000,000: FULL=1",
    )
