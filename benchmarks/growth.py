"""How the rate moves with threads, senders and backlog."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.drain import NOOP, check_ledger, send_ours, with_sink
from benchmarks.lines import Line, beside
from benchmarks.measure import (
    Drained,
    Sender,
    pairs,
    publish,
    rate_between,
    rate_of_times,
)

FEW = 8  # threads: with a provider that answers in 20 ms, 400 sends a second and no more


def threads(bench: Bench) -> list[Line]:
    """For the plot: one process, a provider answering in 20 ms, more and more threads."""
    points = []
    for number in (4, 8, 16, 32, 64, 128, 256):
        count = bench.size(min(number * 50 * 4, 8_000))
        points.append({"threads": number, "rate": send_ours(bench, "SMS", count, number)})
    bench.keep("threads", points)
    best = max(points, key=lambda point: point["rate"])
    return [
        Line(
            figure="rate against threads (plot), Twilio answering in 20 ms",
            must="–",
            measured=f"{best['rate']:,.0f}/s at {best['threads']} threads",
        )
    ]


def senders(bench: Bench) -> list[Line]:
    """Two senders beside one, where the provider is the limit."""
    one, two = pairs(bench.times(3), lambda: _with_senders(bench, 1), lambda: _with_senders(bench, 2))
    figure = f"2 senders of {FEW} threads, provider answering in 20 ms"
    return [beside(figure, "≥ 1.8 × 1 sender", two, one, least=1.8)]


def _with_senders(bench: Bench, number: int) -> float:
    """Both are up and have their partitions before there is anything to send."""
    site, sink = with_sink(bench, "SMS")
    started = [Sender(site, "SMS", FEW) for _ in range(number)]
    while not all(sender.settled() for sender in started):
        seen = len(sink.arrivals())
        publish(site, "SMS", 100)
        sink.wait_for(seen + 100)
    before = len(sink.arrivals())
    count = bench.size(2_500 * number)
    publish(site, "SMS", count)
    times = [at for at, _ in sink.wait_for(before + count)][before:]
    bench.services.drop(site)
    return rate_of_times(times)


def backlog(bench: Bench) -> list[Line]:
    """For the plot: rate and memory while 200,000 drain; with FULL=1 a million, first tenth beside last."""
    count = bench.size(1_000_000 if bench.full else 200_000)
    site = bench.services.fresh(**NOOP)
    publish(site, "EMAIL", count)
    drained = Sender(site, "EMAIL", 64).drained(count, every=0.5)
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
