"""Two senders beside one: where the provider is the limit, and where it answers at once."""

from __future__ import annotations

import time

from benchmarks.bench import Bench
from benchmarks.cpu import Seconds, in_words, medians
from benchmarks.drain import IN_FLIGHT, NOOP, check_ledger
from benchmarks.lines import Line, beside
from benchmarks.measure import Sample, Sender, cost_between, median, pairs, publish, rate_of_times
from benchmarks.providers import with_sink
from benchmarks.wait_events import WaitEvents
from harness.platform import wait_until

FEW = 8  # in flight: with a provider that answers in 20 ms, 400 sends a second and no more
EACH = 90_000  # notifications for each sender
MOST_EVENTS = 5


def at_provider(bench: Bench) -> list[Line]:
    """Where the provider is the limit."""
    one, two = pairs(bench.times(2), lambda: _at_provider(bench, 1), lambda: _at_provider(bench, 2))
    figure = f"2 senders of {FEW} in flight, provider answering in 20 ms"
    return [beside(figure, "≥ 1.8 × 1 sender", two, one, least=1.8)]


def _at_provider(bench: Bench, number: int) -> float:
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


class Noop:
    """Drains by a number of senders, from when all of them send to when nine tenths are sent."""

    def __init__(self, bench: Bench, number: int) -> None:
        self._bench = bench
        self._number = number
        self._costs: list[dict[str, float]] = []
        self._cores: list[float] = []
        self._shares: list[dict[str, float]] = []

    def drain(self) -> float:
        """Returns the rate of all senders together."""
        count = self._bench.size(EACH * self._number)
        site = self._bench.services.fresh(**NOOP)
        publish(site, "EMAIL", count)
        senders = [Sender(site, "EMAIL", IN_FLIGHT) for _ in range(self._number)]
        with WaitEvents(self._bench.services.postgres.port, site.database_url.rpartition("/")[2]) as events:
            samples = self._samples(senders, 0.9 * count)
        wait_until(lambda: sum(sender.settled() for sender in senders) >= count, what="the rest is sent")
        check_ledger(site, count)
        self._bench.services.drop(site)
        self._costs.append(cost_between(samples, count))
        self._shares.append(events.shares())
        first, last = samples[0], samples[-1]
        rate = (last.done - first.done) / max(last.at - first.at, 1e-9)
        self._cores.append(rate * sum(self._costs[-1].values()) / 1e6)
        return rate

    def _samples(self, senders: list[Sender], until: float) -> list[Sample]:
        """Returns samples of all senders together, from when each of them has sent some."""
        found: list[Sample] = []
        all_send: list[Sample] = []
        while not found or found[-1].done < until:
            assert all(sender.process.running for sender in senders), senders[0].process.output[-4000:]
            time.sleep(0.2)
            each = [sender.sample(self._bench.services.pids) for sender in senders]
            found.append(_together(each))
            if all(sample.done for sample in each):
                all_send.append(found[-1])
        assert len(all_send) > 1 or self._bench.scale < 1, "one of the senders has sent nothing"
        return all_send if len(all_send) > 1 else found

    def note(self) -> str:
        """Says what a notification cost, and what the backends of one of the runs waited for."""
        shares = list(self._shares[-1].items())[:MOST_EVENTS]
        waits = ", ".join(f"{event} {share:.0%}" for event, share in shares)
        cost, cores = in_words(medians(self._costs)), median(self._cores)
        return f"{self._number}: CPU of each: {cost}, {cores:.1f} cores in all; backends that are not idle: {waits}"


def _together(each: list[Sample]) -> Sample:
    """One sample of several senders."""
    cpu: Seconds = each[0].cpu | {"sender": sum(sample.cpu["sender"] for sample in each)}
    return Sample(each[0].at, sum(sample.done for sample in each), cpu=cpu)


def noop(bench: Bench) -> list[Line]:
    """Where the provider answers at once: whether a second sender gains anything on the same database."""
    one, two = Noop(bench, 1), Noop(bench, 2)
    alone, both = pairs(bench.times(3), one.drain, two.drain)
    figure = "2 senders, no-op provider, one database"
    note = f"median {median(both):,.0f}/s. {one.note()}. {two.note()}"
    return [beside(figure, "≥ 1.5 × 1 sender", both, alone, least=1.5, note=note)]
