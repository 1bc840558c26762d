"""How fast a full topic is sent: with a provider that answers at once, and with ones that take 20 ms."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from benchmarks.bench import NO_REDIS, Bench
from benchmarks.lines import Line, beside, not_measured
from benchmarks.measure import (
    Drained,
    Sample,
    Sender,
    Sink,
    median,
    pairs,
    publish,
    rate_between,
    rate_of_times,
    run,
)
from benchmarks.services import Redis
from harness.platform import Platform

NOOP = {"DJANGO_SETTINGS_MODULE": "benchmarks.settings_noop"}
THREADS = 64


def noop(bench: Bench) -> list[Line]:
    """A provider that answers at once, one process; Celery with the same."""
    count = bench.size(60_000)
    runs: list[Drained] = []

    def ours() -> float:
        runs.append(drain_noop(bench, count))
        return runs[-1].rate

    if bench.without_redis:
        (mine,) = pairs(bench.times(5), ours)
        rivals = []
    else:
        few = bench.size(10_000)
        mine, rivals = pairs(bench.times(5), ours, lambda: celery_noop(bench, few))
    rate = median(mine)
    sender = median([run.sender_cpu for run in runs]) / count * 1e6
    ledger = median([run.other_cpu for run in runs]) / count * 1e6
    lines = [
        Line(
            figure="drain, no-op provider, one process",
            must="≥ 10,000/s",
            measured=f"{rate:,.0f}/s",
            reached=rate >= 10_000,
            note=(
                f"of {len(mine)} runs {min(mine):,.0f} to {max(mine):,.0f}; CPU of each notification, with the start:"
                f" sender {sender:.0f} µs, PostgreSQL {ledger:.0f} µs"
            ),
            numbers={"sender": rate, "ledger µs": ledger},
        )
    ]
    if not rivals:
        return [*lines, not_measured("the same, beside Celery", "≥ 6 × Celery's", NO_REDIS)]
    figure = "the same, beside Celery (Redis, same number of threads, acks late)"
    return [*lines, beside(figure, "≥ 6 × Celery's", mine, rivals, least=6)]


def drain_noop(bench: Bench, count: int) -> Drained:
    site = bench.services.fresh(**NOOP)
    publish(site, "EMAIL", count)
    drained = Sender(site, "EMAIL", THREADS).drained(count, cpu=bench.services.postgres_cpu)
    check_ledger(site, count)
    bench.services.drop(site)
    return drained


def check_ledger(site: Platform, count: int) -> None:
    """Everything is sent, settled and was claimed once."""
    (row,) = site.sql(
        "SELECT count(*) AS sent, coalesce(sum(claims), 0) AS claims FROM notifications_notification"
        " WHERE status = 'sent' AND topic <> 't'"
    )
    assert row["sent"] == count, f"{row['sent']} of {count} are settled"


def celery_noop(bench: Bench, count: int) -> float:
    site = bench.services.fresh()
    with Redis(site.directory) as redis:
        worker_of(site, redis, "noop", count)
        samples = [Sample(time.monotonic(), 0)]
        while samples[-1].done < count:
            time.sleep(0.1)
            samples.append(Sample(time.monotonic(), count - redis.remaining()))
        bench.services.drop(site)
    return rate_between(samples, count)


def worker_of(site: Platform, redis: Redis, task: str, count: int) -> None:
    """Fill Redis with tasks, then start a Celery worker."""
    site.environment["BENCH_REDIS"] = redis.url
    run(site, "benchmarks.celery_fill", task, str(count))
    quick = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    pool = ["--pool", "threads", "--concurrency", str(THREADS)]
    site.start("celery", [sys.executable, "-m", "celery", "-A", "benchmarks.celery_app", "worker", *pool, *quick])


def email(bench: Bench) -> list[Line]:
    return provider(bench, "EMAIL", "SMTP")


def slack(bench: Bench) -> list[Line]:
    return provider(bench, "SLACK", "Slack webhook")


def sms(bench: Bench) -> list[Line]:
    return provider(bench, "SMS", "Twilio")


def provider(bench: Bench, channel: str, name: str) -> list[Line]:
    """A provider that answers in 20 ms, 64 threads: one sender beside the loops and Celery, at the provider's log."""
    count, few = bench.size(8_000), bench.size(1_200)
    takes: dict[str, Callable[[], float]] = {
        "ours": lambda: send_ours(bench, channel, count),
        "the loop": lambda: send_by_loop(bench, channel, count, "channel"),
    }
    if channel != "EMAIL":
        takes["urllib3"] = lambda: send_by_loop(bench, channel, count, "urllib3")
    if not bench.without_redis:
        takes["Celery"] = lambda: send_by_celery(bench, channel, few)
    rates = dict(zip(takes, pairs(bench.times(3), *takes.values()), strict=True))
    rivals = {
        "the loop": (0.85, "a loop of 64 threads that makes the same client calls and nothing else"),
        "urllib3": (1.4, "a loop over pooled urllib3"),
        "Celery": (3, "Celery calling the SDK as it comes"),
    }
    ours = rates["ours"]
    more = {"note": f"median of {len(ours)} pairs", "numbers": {name: median(ours)}}
    lines = [
        beside(_figure(name), f"≥ {least:g} × {words}", ours, rates[rival], least=least, **more)
        for rival, (least, words) in rivals.items()
        if rival in rates
    ]
    if "Celery" not in rates:
        lines.append(not_measured(_figure(name), "≥ 3 × Celery calling the SDK as it comes", NO_REDIS))
    return lines


def _figure(name: str) -> str:
    return f"drain, provider answering in 20 ms, 64 threads: {name}"


def send_ours(bench: Bench, channel: str, count: int, threads: int = THREADS) -> float:
    site, sink = with_sink(bench, channel)
    publish(site, channel, count, "--url", sink.url)
    drained = Sender(site, channel, threads).drained(count)
    check_ledger(site, count)
    arrivals = sink.wait_for(count)
    assert len(arrivals) == count
    assert drained.sends == count
    bench.services.drop(site)
    return rate_of_times([at for at, _ in arrivals])


def send_by_loop(bench: Bench, channel: str, count: int, client: str) -> float:
    site, sink = with_sink(bench, channel)
    options = ["--url", sink.url, "--threads", str(THREADS), "--client", client]
    run(site, "benchmarks.with_django", "loop", channel, str(count), *options)
    return finish(bench, site, sink, count)


def send_by_celery(bench: Bench, channel: str, count: int) -> float:
    site, sink = with_sink(bench, channel)
    site.environment["BENCH_URL"] = sink.url
    with Redis(site.directory) as redis:
        worker_of(site, redis, channel, count)
        while redis.remaining():
            time.sleep(0.1)
        return finish(bench, site, sink, count)


def with_sink(bench: Bench, channel: str, delay: float = 0.02) -> tuple[Platform, Sink]:
    site = bench.services.fresh()
    sink = Sink(site, channel, delay)
    site.environment |= sink.environment()
    return site, sink


def finish(bench: Bench, site: Platform, sink: Sink, count: int) -> float:
    arrivals = sink.wait_for(count, deadline=60)
    assert len(arrivals) == count, f"{len(arrivals)} arrivals of {count}: {[p.output[-500:] for p in site.processes]}"
    bench.services.drop(site)
    return rate_of_times([at for at, _ in arrivals])
