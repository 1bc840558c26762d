"""From accepted to the provider: at a steady 100/s, while bulk drains, and for what is scheduled, from its time."""

from __future__ import annotations

import time
from pathlib import Path
from uuid import UUID

from benchmarks.bench import Bench
from benchmarks.drain import IN_FLIGHT, NOOP
from benchmarks.intake import start_web
from benchmarks.lines import Line
from benchmarks.measure import Sender, load, percentile, publish
from benchmarks.providers import with_sink
from harness.platform import Platform, wait_until

RATE = 100
P50, P99 = 7, 14  # milliseconds


def steady(bench: Bench) -> list[Line]:
    """Texts at 100/s through web, Kafka and a sender, each timed at the provider."""
    site, sink = with_sink(bench, "SMS")
    options = start(site, Sender(site, "SMS", 64))
    log = site.directory / "load.log"
    load(site, site.ports[0], *options, "--channel", "SMS", "--seconds", str(bench.seconds(20)), log=log)
    arrived = {number: at for at, number in sink.wait_for(1 + len(_lines(log)))}
    calls = [(int(number), float(sent), UUID(id)) for number, sent, _, id in _lines(log)]
    bench.services.drop(site)
    took = [arrived[number] - accepted_at(id) for number, _, id in calls]
    p50, p99 = percentile(took, 0.5) * 1000, percentile(took, 0.99) * 1000
    from_call = percentile([arrived[number] - sent for number, sent, _ in calls], 0.5) * 1000
    return [
        Line(
            figure="accept to provider at 100/s, by Kafka",
            must=f"p50 ≤ {P50} ms, p99 ≤ {P99} ms",
            measured=f"p50 {p50:.1f} ms, p99 {p99:.1f} ms",
            reached=p50 <= P50 and p99 <= P99,
            note=f"{len(took):,} notifications; from the caller's first byte: p50 {from_call:.1f} ms",
        )
    ]


def under_bulk(bench: Bench) -> list[Line]:
    """The same for transactional ones at 100/s, while a bulk backlog drains in the same sender."""
    site = bench.services.fresh(**NOOP)
    site.environment["BENCH_LOG"] = str(site.directory / "timed.log")
    backlog = bench.size(200_000)
    publish(site, "EMAIL", backlog, "--priority", "bulk")
    start_web(site)
    options = ["--key", site.create_api_key("send"), "--rate", str(RATE)]
    sender = Sender(site, "EMAIL", IN_FLIGHT)
    wait_until(lambda: sender.settled() > 0, what="the backlog drains")
    log = site.directory / "load.log"
    # While it drains, whatever that takes: the calls end before the backlog does.
    seconds = max(1.0, min(10.0, backlog / 14_000 - 2))
    load(site, site.ports[0], *options, "--seconds", str(seconds), log=log)
    drained = sender.settled()
    arrived = {UUID(id): at for at, id in _arrivals(site, len(_lines(log)))}
    bench.services.drop(site)
    took = [arrived[UUID(id)] - accepted_at(UUID(id)) for _, _, _, id in _lines(log)]
    share = sum(seconds <= 0.3 for seconds in took) / len(took)
    return [
        Line(
            figure="transactional latency while a bulk backlog of 200,000 drains",
            must="99 % ≤ 300 ms",
            measured=f"{share:.1%} ≤ 300 ms",
            reached=share >= 0.99 and drained < backlog,
            note=(
                f"{len(took):,} transactional at {RATE}/s; p50 {percentile(took, 0.5) * 1000:.0f} ms,"
                f" p99 {percentile(took, 0.99) * 1000:.0f} ms; {drained:,.0f} of the backlog were sent meanwhile"
            ),
        )
    ]


def scheduled(bench: Bench) -> list[Line]:
    """What was scheduled comes due over ten seconds, while a bulk backlog drains in the same sender."""
    site = bench.services.fresh(**NOOP)
    site.environment["BENCH_LOG"] = str(site.directory / "timed.log")
    count, backlog = bench.size(5_000), bench.size(400_000)
    publish(site, "EMAIL", count, "--send-in", "15", "--send-over", "10")
    sender = Sender(site, "EMAIL", IN_FLIGHT)
    waiting = "SELECT count(*) AS rows FROM notifications_notification WHERE reason = 'scheduled'"
    wait_until(lambda: site.sql(waiting)[0]["rows"] == count, what="all wait for their time")
    publish(site, "EMAIL", backlog, "--priority", "bulk")
    arrived = {UUID(id): at for at, id in _arrivals(site, count)}
    drained = sender.settled()
    rows = site.sql(
        "SELECT id, extract(epoch FROM send_at) AS at FROM notifications_notification WHERE send_at IS NOT NULL"
    )
    bench.services.drop(site)
    late = [arrived[UUID(str(row["id"]))] - float(str(row["at"])) for row in rows]
    share = sum(0 <= seconds <= 1 for seconds in late) / count
    p50, p99 = percentile(late, 0.5) * 1000, percentile(late, 0.99) * 1000
    return [
        Line(
            figure="5,000 scheduled notifications due over 10 s, while a bulk backlog drains",
            must="99 % within 1 s of send_at, none before",
            measured=f"{share:.1%}; p50 {p50:.0f} ms, p99 {p99:.0f} ms",
            reached=share >= 0.99 and min(late) >= 0 and drained < backlog + count,
            note=f"at the provider; {drained:,.0f} were sent until the last one",
        )
    ]


def start(site: Platform, sender: Sender) -> list[str]:
    """A web process and a sender that both work; the options of the load."""
    start_web(site)
    key = site.create_api_key("send")
    site.send("+12000000000", channel="SMS")
    wait_until(lambda: sender.settled() > 0, what="the sender sends")
    return ["--key", key, "--rate", str(RATE)]


def accepted_at(id: UUID) -> float:
    """The time in a UUIDv7: accepted_at, cut to the millisecond, so what is measured is never too short."""
    return (id.int >> 80) / 1000


def _arrivals(site: Platform, count: int) -> list[tuple[float, str]]:
    """What the timed no-op provider noted."""
    file = site.directory / "timed.log"
    wait_until(lambda: file.exists() and file.read_text().count("\n") >= count, deadline=30, what="all arrive")
    time.sleep(0.2)
    return [(float(at), id) for at, id in map(str.split, file.read_text().splitlines())]


def _lines(log: Path) -> list[list[str]]:
    """number, sent, answered, id of each call."""
    return [line.split() for line in log.read_text().splitlines()]
