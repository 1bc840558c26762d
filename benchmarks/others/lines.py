"""Our sender beside other systems: tasks that do nothing, and calls that a provider answers in 20 ms."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.bench import Bench
from benchmarks.cpu import medians, used
from benchmarks.drain import drain_noop
from benchmarks.lines import Line, not_measured, ratio_of, shown
from benchmarks.measure import Drained, Sample, Sink, cost_between, median, pairs, rate_between, rate_of_times
from benchmarks.others import environment
from benchmarks.others.rivals import IN_FLIGHT, RIVALS, OnRedis, Rival, River
from benchmarks.providers import Drains
from benchmarks.services import Redis
from harness.platform import Process

COUNTS = {"noop": 20_000, "http": 12_000}
EVERY = 0.25  # seconds


def noop(bench: Bench) -> list[Line]:
    """Beside our sender with a provider that answers at once."""
    count = bench.size(90_000)
    runs: list[Drained] = []

    def ours() -> float:
        runs.append(drain_noop(bench, count))
        return runs[-1].rate

    return _lines(bench, "noop", "a task that does nothing", ours, lambda: medians([run.cost for run in runs]))


def http(bench: Bench) -> list[Line]:
    """Beside our sender with Slack's webhooks."""
    drains = Drains(bench, "SLACK", IN_FLIGHT, bench.size(30_000))
    return _lines(bench, "http", f"POST answered in 20 ms, {IN_FLIGHT} in flight", drains.drain, drains.cost)


@dataclass
class Takes:
    """What was measured of one other system."""

    rival: type[Rival]
    costs: list[dict[str, float]] = field(default_factory=list)

    def take(self, bench: Bench, task: str) -> float:
        """Returns its rate in one run."""
        rate, cost = drain(bench, self.rival, task, bench.size(COUNTS[task]))
        self.costs.append(cost)
        return rate


def _lines(
    bench: Bench, task: str, what: str, ours: Callable[[], float], cost: Callable[[], dict[str, float]]
) -> list[Line]:
    """A line for each system, in turns with ours."""
    missing = {rival: why for rival in RIVALS if (why := missing_of(rival))}
    takes = [Takes(rival) for rival in RIVALS if rival not in missing]
    mine, *theirs = pairs(bench.times(3), ours, *(lambda take=take: take.take(bench, task) for take in takes))
    measured = _with_cost(median(mine), cost(), "sender", "PostgreSQL", "Kafka")
    lines = [
        Line(
            figure=f"{what}, beside {take.rival.name}",
            must="–",
            measured=measured,
            baseline=_with_cost(median(rates), medians(take.costs), "worker", "store"),
            ratio=shown(ratio_of(mine, rates)),
            note=take.rival.conditions,
        )
        for take, rates in zip(takes, theirs, strict=True)
    ]
    return lines + [not_measured(f"{what}, beside {rival.name}", "–", why) for rival, why in missing.items()]


def _with_cost(rate: float, cost: dict[str, float], *parts: str) -> str:
    return f"{rate:,.0f}/s, {' + '.join(f'{part} {cost[part]:.0f} µs' for part in parts)}"


def missing_of(rival: type[Rival]) -> str:
    """Returns why a system cannot be measured here, or ""."""
    if issubclass(rival, OnRedis) and Redis.missing():
        return f"{rival.name} needs redis-server (Debian: apt-get install redis-server)"
    try:
        environment.river() if rival is River else environment.python()
    except environment.NotInstalled as error:
        return str(error)
    return ""


def drain(bench: Bench, kind: type[Rival], task: str, count: int) -> tuple[float, dict[str, float]]:
    """Returns the rate of one run, at the provider's log where there is one, and the µs of CPU of each task."""
    with kind(bench.services) as rival:
        sink = Sink(rival.site, "SLACK") if task == "http" else None
        rival.site.environment["BENCH_URL"] = sink.url if sink else ""
        rival.fill(task, count)
        samples = _watched(rival, count)
        rate = rate_of_times([at for at, _ in sink.wait_for(count)]) if sink else rate_between(samples, count)
        return rate, cost_between(samples, count)


def _watched(rival: Rival, count: int) -> list[Sample]:
    """Samples from the start of its workers until all is done."""
    workers = rival.work()
    samples: list[Sample] = []
    until = time.monotonic() + 600
    while not samples or samples[-1].done < count:
        assert time.monotonic() < until, f"only {samples[-1].done} of {count}"
        assert all(worker.running for worker in workers), workers[0].output[-4000:]
        samples.append(_sample(rival, workers, count))
        time.sleep(EVERY)
    return samples


def _sample(rival: Rival, workers: list[Process], count: int) -> Sample:
    """How far it is, and its CPU; its workers together are one part."""
    names = {f"worker {number}": worker.pid for number, worker in enumerate(workers)}
    found = used({**names, "store": rival.store_pid})
    cpu = {"worker": sum(found[name] for name in names), "store": found["store"]}
    return Sample(time.monotonic(), count - rival.remaining(), cpu=cpu)
