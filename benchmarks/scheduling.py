"""A hundred thousand retries due at once."""

from __future__ import annotations

import time

from benchmarks.bench import Bench
from benchmarks.drain import IN_FLIGHT, NOOP
from benchmarks.lines import Line
from benchmarks.measure import Metrics, Sample, Sender, rate_between
from harness.ledger_rows import insert
from harness.services.process import free_ports


def due_at_once(bench: Bench) -> list[Line]:
    """The scheduler alone brings them back to their topic; then a sender shows that none went twice."""
    count = bench.size(100_000)
    site = bench.services.fresh(**NOOP)
    insert(site, count, due=True, ends_before=10_000)
    (port,) = free_ports(1)
    scheduler = site.start_scheduler("--metrics-port", str(port))
    metrics, samples = Metrics(port), [Sample(time.monotonic(), 0)]
    while samples[-1].done < count:
        assert scheduler.running, scheduler.output[-4000:]
        time.sleep(0.1)
        samples.append(Sample(time.monotonic(), metrics.sum("notifications_published_total", origin="retry")))
    rate = rate_between(samples, count)
    drained = Sender(site, "EMAIL", IN_FLIGHT).drained(count)
    (row,) = site.sql("SELECT count(*) AS rows FROM notifications_notification WHERE status = 'sent' AND claims = 2")
    bench.services.drop(site)
    once = drained.sends == count == row["rows"]
    return [
        Line(
            figure="scheduler, 100,000 rows due at once",
            must="≥ 5,000/s, no row sent twice",
            measured=f"{rate:,.0f}/s; {drained.sends:,.0f} sends of {count:,} rows",
            reached=rate >= 5000 and once,
            note="then the sender drained them, the scheduler beside it",
        )
    ]
