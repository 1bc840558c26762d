"""How fast a full topic is sent by a provider that takes 20 ms, at the provider's log, beside the bare loops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.cpu import in_words, medians
from benchmarks.drain import check_ledger
from benchmarks.lines import Cost, Line, beside
from benchmarks.measure import Drained, Sender, Sink, median, pairs, publish, rate_of_times, run
from harness.platform import Platform
from harness.services.process import ROOT

FEW, MANY = 64, 256  # sends in flight
RATE, SENDER = 7_000, 100  # a second; µs of CPU
LOOPS = {"loop": "threads", "event_loop": "an event loop"}  # modules that make the same provider calls


@dataclass
class Drains:
    """Drains of one kind by our sender, and what they cost."""

    bench: Bench
    channel: str
    in_flight: int
    count: int
    code: Path = ROOT  # the checkout whose sender it is
    runs: list[Drained] = field(default_factory=list)

    def drain(self) -> float:
        """Returns the rate at the provider's log."""
        return self.run().rate

    def run(self) -> Drained:
        """Its rate is that at the provider's log."""
        site, sink = with_sink(self.bench, self.channel)
        publish(site, self.channel, self.count, "--url", sink.url)
        site.code = self.code
        beside = {**self.bench.services.pids, "provider": sink.process.pid}
        drained = Sender(site, self.channel, self.in_flight).drained(self.count, beside=beside)
        check_ledger(site, self.count)
        arrivals = sink.wait_for(self.count)
        assert len(arrivals) == drained.sends == self.count
        self.bench.services.drop(site)
        drained.rate = rate_of_times([at for at, _ in arrivals])
        self.runs.append(drained)
        return drained

    def cost(self) -> dict[str, float]:
        return medians([run.cost for run in self.runs])

    def note(self) -> str:
        """Says what a notification cost, and how much of a core the provider needed: all of one would be its wall."""
        provider = median([run.cost["provider"] * run.rate / 1e6 for run in self.runs])
        return f"CPU of each: {in_words(self.cost())}; the provider needs {provider:.0%} of a core"


def email(bench: Bench) -> list[Line]:
    """SMTP, 256 in flight, beside the faster of the two bare loops."""
    ours = Drains(bench, "EMAIL", MANY, bench.size(20_000))
    rates = _beside_loops(bench, ours)
    rate = median(rates["ours"])
    cost = Cost(path=f"drain, SMTP, 20 ms, {MANY} in flight", rate=rate, micros=ours.cost())
    return [_line("SMTP", ours, rates, least=0.85, numbers={"SMTP": rate}, cost=cost)]


def slack(bench: Bench) -> list[Line]:
    return over_http(bench, "SLACK", "Slack webhook")


def sms(bench: Bench) -> list[Line]:
    return over_http(bench, "SMS", "Twilio")


def over_http(bench: Bench, channel: str, name: str) -> list[Line]:
    """64 in flight beside the faster bare loop, and what can be had of 256."""
    few = Drains(bench, channel, FEW, bench.size(8_000))
    many = Drains(bench, channel, MANY, bench.size(30_000))
    rates = _beside_loops(bench, few, many)
    most, cost = median(rates["many"]), many.cost()
    return [
        _line(name, few, rates, least=0.93),
        Line(
            figure=_figure(name, MANY),
            must=f"≥ {RATE:,}/s, sender ≤ {SENDER} µs of CPU a notification",
            measured=f"{most:,.0f}/s, sender {cost['sender']:.0f} µs",
            reached=most >= RATE and cost["sender"] <= SENDER,
            note=many.note(),
            numbers={name: most},
            cost=Cost(path=f"drain, {name}, 20 ms, {MANY} in flight", rate=most, micros=cost),
        ),
    ]


def _beside_loops(bench: Bench, ours: Drains, many: Drains | None = None) -> dict[str, list[float]]:
    """Takes ours, both loops with as many in flight, and `many`, in turns."""
    takes: dict[str, Callable[[], float]] = {"ours": ours.drain}
    takes |= {module: partial(by_loop, bench, ours, module) for module in LOOPS}
    if many:
        takes["many"] = many.drain
    return dict(zip(takes, pairs(bench.times(3), *takes.values()), strict=True))


def _line(name: str, ours: Drains, rates: dict[str, list[float]], *, least: float, **more: object) -> Line:
    """Beside the loop with the higher median."""
    best = max(LOOPS, key=lambda module: median(rates[module]))
    other = next(module for module in LOOPS if module != best)
    return beside(
        _figure(name, ours.in_flight),
        f"≥ {least:g} × a bare loop that makes the same calls and nothing else, of threads or events: the faster",
        rates["ours"],
        rates[best],
        least=least,
        baseline=f"{median(rates[best]):,.0f}/s by {LOOPS[best]} ({median(rates[other]):,.0f}/s by {LOOPS[other]})",
        note=ours.note(),
        **more,
    )


def _figure(name: str, in_flight: int) -> str:
    return f"drain, provider answering in 20 ms, {in_flight} in flight: {name}"


def by_loop(bench: Bench, ours: Drains, module: str) -> float:
    """Returns the rate of a bare loop at the provider's log."""
    site, sink = with_sink(bench, ours.channel)
    options = ["--url", sink.url, "--in-flight", str(ours.in_flight)]
    run(site, "benchmarks.with_django", module, ours.channel, str(ours.count), *options)
    arrivals = sink.wait_for(ours.count, deadline=60)
    assert len(arrivals) == ours.count, f"{len(arrivals)} arrivals of {ours.count}"
    bench.services.drop(site)
    return rate_of_times([at for at, _ in arrivals])


def with_sink(bench: Bench, channel: str, delay: float = 0.02) -> tuple[Platform, Sink]:
    site = bench.services.fresh()
    sink = Sink(site, channel, delay)
    site.environment |= sink.environment()
    return site, sink


def in_flight(bench: Bench) -> list[Line]:
    """For the plot: one process, a provider answering in 20 ms, more and more sends in flight."""
    points = []
    for number in (8, 16, 32, 64, 128, 256, 512):
        count = bench.size(min(number * 50 * 3, 16_000))
        points.append({"in flight": number, "rate": Drains(bench, "SMS", number, count).drain()})
    bench.keep("in-flight", points)
    best = max(points, key=lambda point: point["rate"])
    return [
        Line(
            figure="rate against sends in flight (plot), Twilio answering in 20 ms",
            must="–",
            measured=f"{best['rate']:,.0f}/s with {best['in flight']}",
        )
    ]
