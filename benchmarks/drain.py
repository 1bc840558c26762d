"""How fast a full topic is sent by a provider that answers at once: what is left is what we cost."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from benchmarks.bench import Bench
from benchmarks.cpu import in_words, medians
from benchmarks.lines import Cost, Line
from benchmarks.measure import Drained, Sender, median, pairs, publish
from harness.platform import Platform
from harness.services.process import ROOT

NOOP = {"DJANGO_SETTINGS_MODULE": "benchmarks.settings_noop", "BENCH_NOOP": os.environ.get("BENCH_NOOP", "Noop")}
IN_FLIGHT = 256  # what a sender takes by itself where its providers are coroutines, as all of ours are
NO_MORE: Mapping[str, str] = MappingProxyType({})
RATE, SENDER, POSTGRES = 18_000, 35, 33  # a second; µs of CPU


def noop(bench: Bench) -> list[Line]:
    """One process; its rate and what a notification costs."""
    count = bench.size(90_000)
    runs: list[Drained] = []

    def drain() -> float:
        runs.append(drain_noop(bench, count))
        return runs[-1].rate

    (rates,) = pairs(bench.times(5), drain)
    rate, cost = median(rates), medians([run.cost for run in runs])
    return [
        Line(
            figure="drain, no-op provider, one process",
            must=f"≥ {RATE:,}/s; CPU of a notification: sender ≤ {SENDER} µs, PostgreSQL ≤ {POSTGRES} µs",
            measured=f"{rate:,.0f}/s; {in_words(cost, 'sender', 'PostgreSQL')}",
            reached=rate >= RATE and cost["sender"] <= SENDER and cost["PostgreSQL"] <= POSTGRES,
            note=(
                f"of {len(rates)} runs {min(rates):,.0f} to {max(rates):,.0f}/s; CPU between a tenth and 95 % of"
                f" {count:,}, so without the start"
            ),
            numbers={"sender": rate, "ledger µs": cost["PostgreSQL"]},
            cost=Cost(path="drain, no-op provider", rate=rate, micros=cost),
        )
    ]


def drain_noop(bench: Bench, count: int, *, code: Path = ROOT, settings: Mapping[str, str] = NO_MORE) -> Drained:
    """`code` is the checkout whose sender it is."""
    site = bench.services.fresh(**NOOP, **settings)
    publish(site, "EMAIL", count)
    site.code = code
    drained = Sender(site, "EMAIL", IN_FLIGHT).drained(count, beside=bench.services.pids)
    check_ledger(site, count)
    bench.services.drop(site)
    return drained


def check_ledger(site: Platform, count: int) -> None:
    """Everything is sent and settled."""
    (row,) = site.sql("SELECT count(*) AS sent FROM notifications_notification WHERE status = 'sent' AND topic <> 't'")
    assert row["sent"] == count, f"{row['sent']} of {count} are settled"
