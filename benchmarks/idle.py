"""What the platform costs while nobody asks anything of it, and how soon it wakes up."""

from __future__ import annotations

import sys
import time
from uuid import UUID

from benchmarks.bench import Bench
from benchmarks.cpu import Pids, Seconds, used
from benchmarks.latency import accepted_at
from benchmarks.lines import Line
from benchmarks.measure import Metrics, Sink, median, percentile
from benchmarks.providers import with_sink
from benchmarks.traffic import receiver_of, text_of
from harness.platform import Platform, Process, wait_until
from harness.services.process import free_ports

RUN, RUN_P50 = 3.0, 20  # per cent of a core; milliseconds
SENDER = 1.0  # per cent of a core
SETTLED = 10.0  # seconds after the start: from then on it is idle
PAUSE = 0.3  # seconds between two notifications


def embedded(bench: Bench) -> list[Line]:
    """`make run` with nothing to do; then a text now and then, from accepted to its arrival at the provider."""
    site = Platform.embedded(bench.services.directory_of("make-run"))
    sink = Sink(site, "SMS", 0.0)
    run = _make_run(site, sink)
    time.sleep(bench.seconds(SETTLED))
    percent = _percent_of_a_core({"run": run.pid}, bench.seconds(30))["run"]
    took = [_seconds_to_provider(site, sink, number) for number in range(bench.size(60, 5))]
    site.kill_all()
    p50, p99 = median(took) * 1000, percentile(took, 0.99) * 1000
    return [
        Line(
            figure="idle `make run`: web, sender and scheduler on SQLite",
            must=f"≤ {RUN:g} % of a core; then accept to provider p50 ≤ {RUN_P50} ms",
            measured=f"{percent:.1f} % of a core; p50 {p50:.0f} ms",
            reached=percent <= RUN and p50 <= RUN_P50,
            note=f"{len(took)} texts, one every {PAUSE:g} s: p99 {p99:.0f} ms",
        )
    ]


def _make_run(site: Platform, sink: Sink) -> Process:
    """Starts it as make does, with one provider that really sends. Returns its supervisor."""
    (port,) = free_ports(1)
    site.ports.append(port)
    site.environment |= sink.environment() | {"PORT": str(port)}
    run = site.start("make-run", [sys.executable, "-m", "project.run.local"])
    wait_until(lambda: "Ctrl-C" in run.output, deadline=60, what="it announces itself")
    return run


def _seconds_to_provider(site: Platform, sink: Sink, number: int) -> float:
    time.sleep(PAUSE)
    id = UUID(site.send(receiver_of("SMS", number), channel="SMS", message=text_of(number)))
    arrivals = sink.wait_for(number + 1, deadline=30)
    return arrivals[-1][0] - accepted_at(id)


def sender(bench: Bench) -> list[Line]:
    """A production sender of all channels, with its scheduler, and PostgreSQL and Kafka beside it."""
    site, _ = with_sink(bench, "SMS")
    (port,) = free_ports(1)
    process = site.start_sender("--metrics-port", str(port))
    wait_until(lambda: Metrics(port).sum("process_cpu_seconds_total") > 0, deadline=60, what="it is up")
    time.sleep(bench.seconds(SETTLED))
    percent = _percent_of_a_core({**bench.services.pids, "sender": process.pid}, bench.seconds(40))
    bench.services.drop(site)
    return [
        Line(
            figure="idle sender with its scheduler, three channels, PostgreSQL and Kafka",
            must=f"≤ {SENDER:g} % of a core",
            measured=f"{percent['sender']:.1f} % of a core",
            reached=percent["sender"] <= SENDER,
            note=f"meanwhile PostgreSQL {percent['PostgreSQL']:.1f} %, Kafka {percent['Kafka']:.1f} %",
        )
    ]


def _percent_of_a_core(pids: Pids, seconds: float) -> Seconds:
    """Returns the share of a core that each used."""
    before, began = used(pids), time.monotonic()
    time.sleep(seconds)
    after, took = used(pids), time.monotonic() - began
    return {part: (after[part] - before[part]) / took * 100 for part in after}
