"""What slow sends and a hanging receiver cost everybody else."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.lines import Line, beside
from benchmarks.measure import HIGH, Sender, Sink, median, pairs, publish, rate_of_times
from benchmarks.providers import with_sink
from benchmarks.traffic import kinds
from harness.platform import wait_until


def slow_sends(bench: Bench) -> list[Line]:
    """1 % of the sends take five seconds, 256 in flight; several notifications go to each receiver."""
    count = bench.size(16_000)
    parked: list[float] = []

    def rate(share: float) -> float:
        site, sink = with_sink(bench, "SMS")
        options = ["--slow", str(share), "--receivers", str(max(count // 4, 1))]
        publish(site, "SMS", count, *options)
        drained = Sender(site, "SMS", 256).drained(count)
        if share:
            parked.append(drained.parked)
        times = sorted(at for at, _ in sink.wait_for(count))
        bench.services.drop(site)
        return HIGH * count / (times[int(HIGH * count) - 1] - times[0])

    with_slow, without = pairs(bench.times(3), lambda: rate(0.01), lambda: rate(0.0))
    return [
        beside(
            "1 % of sends take 5 s, 256 in flight, provider answering in 20 ms",
            "rate up to the 95 % mark falls < 10 %",
            with_slow,
            without,
            least=0.9,
            baseline=f"{median(without):,.0f}/s without",
            note=f"parked rows, their second round included: {median(parked):,.0f} of {count:,}",
        )
    ]


def hot_receiver(bench: Bench) -> list[Line]:
    """One receiver has a fifth of the traffic; the others' rate while it hangs, answers, and is not there at all."""
    count = bench.size(16_000)
    others = {number for number, kind in enumerate(kinds(count, hot=0.2)) if kind != "hot"}

    def times(sink: Sink) -> list[float]:
        return [at for at, number in sink.arrivals() if number in others]

    def rate(word: str) -> float:
        site, sink = with_sink(bench, "SMS")
        publish(site, "SMS", count, "--hot", "0.2", "--hot-word", word)
        Sender(site, "SMS", 64)
        wait_until(lambda: len(times(sink)) == len(others), deadline=300, what="the others are sent")
        found = rate_of_times(times(sink))
        bench.services.drop(site)
        return found

    hanging, answering, alone = pairs(
        bench.times(3), lambda: rate("hang"), lambda: rate("plain"), lambda: rate("leave-out")
    )
    return [
        beside(
            "one receiver has 20 % of the traffic; hangs",
            "the others' rate falls < 10 %",
            hanging,
            alone,
            least=0.9,
            baseline=f"{median(alone):,.0f}/s without that receiver",
            note=f"while it answers like everybody: {median(answering):,.0f}/s",
        )
    ]
