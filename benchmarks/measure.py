"""Taking figures: counting in steps of time, rates between two marks, medians of interleaved pairs."""

from __future__ import annotations

import itertools
import json
import re
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from benchmarks.cpu import Pids, Seconds, micros, used
from harness.platform import Platform, wait_until
from harness.platform.web import request
from harness.services.process import free_ports

LOW, HIGH = 0.05, 0.95  # a rate is taken between these parts of the whole: no start, no tail
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


@dataclass
class Sample:
    """How far a drain is, and the memory and the CPU of those that work on it."""

    at: float
    done: float
    megabytes: float = 0.0
    cpu: Seconds = field(default_factory=dict)


@dataclass
class Drained:
    """A finished drain."""

    samples: list[Sample] = field(default_factory=list)
    rate: float = 0.0  # per second
    megabytes: float = 0.0  # resident, at most
    parked: float = 0.0
    sends: float = 0.0  # handed over to the provider
    cost: dict[str, float] = field(default_factory=dict)  # µs of CPU of each, by part, without the start


def rate_between(samples: Sequence[Sample], total: int, low: float = LOW, high: float = HIGH) -> float:
    """Per second, from when `low` of `total` was done until `high` of it was."""
    first, last = _moment(samples, low * total), _moment(samples, high * total)
    return (high - low) * total / max(last - first, 1e-9)


def _moment(samples: Sequence[Sample], count: float) -> float:
    """When so many were done, between two samples by their line."""
    for before, after in itertools.pairwise(samples):
        if after.done >= count:
            part = (count - before.done) / max(after.done - before.done, 1e-9)
            return before.at + max(part, 0.0) * (after.at - before.at)
    raise AssertionError(f"{count:g} were never done: {samples[-1:]}")


def cost_between(samples: Sequence[Sample], total: int, low: float = 0.1, high: float = HIGH) -> dict[str, float]:
    """Returns the µs of CPU of each between two points of a drain, by part: neither the start nor the tail."""
    inside = [sample for sample in samples if low * total <= sample.done <= high * total]
    if len(inside) < 2:  # too short a drain, as those of smoke tests are
        inside = [samples[0], samples[-1]]
    first, last = inside[0], inside[-1]
    return micros(first.cpu, last.cpu, last.done - first.done)


def rate_of_times(times: Sequence[float], high: float = HIGH) -> float:
    """Per second, of arrivals, from the first twentieth of them to the last."""
    ordered = sorted(times)
    first, last = int(LOW * len(ordered)), int(high * len(ordered)) - 1
    return (last - first) / max(ordered[last] - ordered[first], 1e-9)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def pairs(times: int, *takes: Callable[[], float]) -> list[list[float]]:
    """Each figure taken `times` times, in turns, every second round backwards: what disturbs one disturbs all."""
    found: list[list[float]] = [[] for _ in takes]
    for round_ in range(times):
        order = range(len(takes)) if round_ % 2 == 0 else reversed(range(len(takes)))
        for which in order:
            found[which].append(takes[which]())
    return found


class Metrics:
    """What a worker shows on its METRICS_PORT."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/metrics"

    def sum(self, name: str, **labels: str) -> float:
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(value)
            for found, given, value in SAMPLE.findall(self._text())
            if found == name and all(each in given for each in wanted)
        )

    def _text(self) -> str:
        try:
            with urllib.request.urlopen(self._url, timeout=5) as answer:
                text: str = answer.read().decode()
                return text
        except OSError:
            return ""  # not there yet


class Sender:
    """A `run_sender` of one channel, with its metrics."""

    def __init__(self, site: Platform, channel: str, threads: int, *arguments: str) -> None:
        (port,) = free_ports(1)
        named = ["--channels", channel, "--threads", str(threads), "--metrics-port", str(port)]
        self.process = site.start_sender(*named, *arguments)
        self.metrics = Metrics(port)

    def settled(self) -> float:
        return self.metrics.sum("notifications_attempts_total", outcome="sent")

    def drained(
        self, count: int, *, deadline: float = 600, every: float = 0.3, beside: Pids = MappingProxyType({})
    ) -> Drained:
        """Once `count` sends are settled as sent; the sender is stopped. `beside`: the other parts whose CPU counts."""
        result = Drained()
        until = time.monotonic() + deadline
        while not result.samples or result.samples[-1].done < count:
            assert self.process.running, f"the sender ended:\n{self.process.output[-4000:]}"
            assert time.monotonic() < until, f"only {result.samples[-1]} of {count}:\n{self.process.output[-4000:]}"
            time.sleep(every)
            result.samples.append(self.sample(beside))
        result.rate = rate_between(result.samples, count)
        result.megabytes = max(sample.megabytes for sample in result.samples)
        result.parked = self.metrics.sum("notifications_put_back_total", reason="parked")
        result.sends = self.metrics.sum("notifications_send_seconds_count")
        result.cost = cost_between(result.samples, count)
        self.process.kill()
        return result

    def sample(self, beside: Pids) -> Sample:
        """How far it is now, and its CPU and that of the other parts, read at one moment."""
        megabytes = psutil.Process(self.process.pid).memory_info().rss / 1e6
        cpu = used({**beside, "sender": self.process.pid})
        return Sample(time.monotonic(), self.settled(), megabytes, cpu)


class Sink:
    """A provider in a process of its own (benchmarks/sinks.py)."""

    def __init__(self, site: Platform, channel: str, delay: float = 0.02) -> None:
        self._log = site.directory / f"sink-{len(site.processes)}.log"
        command = [sys.executable, "-m", "benchmarks.sinks", channel, "--delay", str(delay), "--log", str(self._log)]
        self.process = site.start("sink", command)
        wait_until(lambda: self.process.output.endswith("\n"), what="the sink listens")
        self.port = int(self.process.output.split()[0])
        self.url = f"http://127.0.0.1:{self.port}"

    def arrivals(self) -> list[tuple[float, int]]:
        """(time, number of the notification) of each arrival so far."""
        whole = self._log.read_text().rpartition("\n")[0]
        return [(float(at), int(number)) for at, number in map(str.split, whole.splitlines())]

    def wait_for(self, count: int, *, deadline: float = 300) -> list[tuple[float, int]]:
        """The arrivals, once there are so many; its log is written five times a second."""
        wait_until(lambda: len(self.arrivals()) >= count, deadline=deadline, what=f"{count} arrive")
        return self.arrivals()

    def environment(self) -> dict[str, str]:
        """The settings that send every channel here."""
        return {
            "EMAIL_URL": f"smtp://127.0.0.1:{self.port}",
            "SLACK_WEBHOOK_PREFIXES": f"{self.url}/services/",
            "TWILIO_BASE_URL": self.url,
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "token",
            "TWILIO_FROM": "+15005550006",
        }


def publish(site: Platform, channel: str, count: int, *options: str) -> None:
    """Fill the channel's topic (benchmarks/publish.py)."""
    run(site, "benchmarks.with_django", "publish", channel, str(count), *options)


def run(site: Platform, module: str, *arguments: str, deadline: float = 300) -> str:
    """Run a module in the platform's environment to its end; its last line."""
    process = site.start(module.rpartition(".")[2], [sys.executable, "-m", module, *arguments])
    code = process.wait(deadline)
    assert code == 0, f"{module} ended with {code}:\n{process.output[-4000:]}"
    return (process.output.splitlines() or [""])[-1]


def load(site: Platform, port: int, *options: str, log: Path | None = None) -> dict[str, Any]:
    """Put load on a web process (benchmarks/load.py); what came of it, with `rate` and `took` in seconds, sorted."""
    to_file = ["--log", str(log)] if log else []
    answer: dict[str, Any] = json.loads(run(site, "benchmarks.load", "--port", str(port), *options, *to_file))
    assert set(answer["answers"]) == {"202"}, f"not all were accepted: {answer['answers']}"
    answer["rate"] = answer["answers"]["202"] / answer["seconds"]
    return answer


def load_reads(port: int, path: str, key: str, times: int = 60) -> list[float]:
    """Milliseconds of each GET, one after the other; the first few are not counted."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        answer = request(port, "GET", path, headers={"Authorization": f"Bearer {key}"})
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status == 200, answer.body
    return took[5:]
