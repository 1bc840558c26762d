"""How fast notifications are accepted: one by one, with an Idempotency-Key, and in batches."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.bench import Bench
from benchmarks.cpu import Pids, in_words, medians, micros, used
from benchmarks.lines import Cost, Line, beside, ratio_of, shown
from benchmarks.measure import load, median, pairs, percentile, run
from benchmarks.traffic import receiver_of
from harness.platform import Platform, Process, wait_until
from harness.platform.web import request
from harness.services.process import free_ports

# As the image starts it, with one worker.
GRANIAN = ("--no-ws", "--http", "1", "--backpressure", "512", "--blocking-threads", "512")
BATCH = 500
KEYED, KEYED_POSTGRES = 2_000, 80  # calls a second, µs
ONE_WEB, TWO_WEBS = 80_000, 120_000  # notifications a second
PRODUCE = "a bare loop that encodes and produces the same records and waits for the acks at the end"


@dataclass
class Posts:
    """Loads of one kind: their costs and their slowest answers."""

    pids: Pids
    costs: list[dict[str, float]] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)  # seconds

    def post(self, site: Platform, port: int, *options: str, each: int = 1) -> float:
        """Puts load on a web process. Returns the notifications a second, of which each call has `each`."""
        before = used(self.pids)
        found = load(site, port, *options)
        self.costs.append(micros(before, used(self.pids), each * found["calls"]))
        self.p99.append(percentile(found["took"], 0.99))
        return each * float(found["rate"])

    def note(self) -> str:
        return f"p99 {median(self.p99) * 1000:.0f} ms; CPU of each: {in_words(medians(self.costs))}"


def single(bench: Bench) -> list[Line]:
    """POST /notification with an API key, without and with an Idempotency-Key, beside the least a view can do."""
    site = bench.services.fresh()
    pids = {**bench.services.pids, "web": start_web(site).pid}
    options = ["--key", site.create_api_key("send"), "--seconds", str(bench.seconds(4))]
    bare_port = start_bare(site)
    plain, keyed = Posts(pids), Posts(pids)
    mine, with_key, bare = pairs(
        bench.times(5),
        lambda: plain.post(site, site.ports[0], *options),
        lambda: keyed.post(site, site.ports[0], *options, "--idempotent"),
        lambda: float(load(site, bare_port, *options)["rate"]),
    )
    bench.services.drop(site)
    return [
        beside(
            "single POST with an API key, acknowledged by Kafka, one web process, 32 connections",
            "≥ 0.95 × a bare Django view that parses JSON, produces with a topic key and waits for the same ack",
            mine,
            bare,
            least=0.95,
            note=plain.note(),
            numbers={"single": median(mine)},
            cost=Cost(path="single POST, 32 connections", rate=median(mine), micros=medians(plain.costs)),
        ),
        _keyed(with_key, mine, keyed),
    ]


def _keyed(rates: list[float], plain: list[float], posts: Posts) -> Line:
    cost = medians(posts.costs)
    return Line(
        figure="the same with an Idempotency-Key, each call a new one",
        must=f"≥ {KEYED:,}/s, PostgreSQL ≤ {KEYED_POSTGRES} µs of CPU a call",
        measured=f"{median(rates):,.0f}/s, PostgreSQL {cost['PostgreSQL']:.0f} µs",
        baseline=f"{median(plain):,.0f}/s without the key",
        ratio=shown(ratio_of(rates, plain)),
        reached=median(rates) >= KEYED and cost["PostgreSQL"] <= KEYED_POSTGRES,
        note=posts.note(),
        cost=Cost(path="the same with an Idempotency-Key", rate=median(rates), micros=cost),
    )


def batch(bench: Bench) -> list[Line]:
    """POST /notifications of 500 to one web process and to two, beside a loop that produces the same records."""
    site = bench.services.fresh()
    first = start_web(site)
    start_web(site)
    options = ["--key", site.create_api_key("send"), "--seconds", str(bench.seconds(4)), "--batch", str(BATCH)]
    posts = Posts({**bench.services.pids, "web": first.pid})

    def post_to(port: int) -> float:
        return BATCH * float(load(site, port, *options, "--connections", "4")["rate"])

    def post_to_both() -> float:
        with ThreadPoolExecutor(len(site.ports)) as callers:
            return sum(callers.map(post_to, site.ports))

    one, two, bare = pairs(
        bench.times(5),
        lambda: posts.post(site, site.ports[0], *options, "--connections", "4", each=BATCH),
        post_to_both,
        lambda: produce(bench, site),
    )
    bench.services.drop(site)
    cost = Cost(path="batch POST of 500, 4 connections", rate=median(one), micros=medians(posts.costs))
    numbers = {"numbers": {"batch": median(one)}, "cost": cost, "note": posts.note()}
    return [
        _batch("batch POST of 500, one web process, 4 connections", one, bare, least=ONE_WEB, **numbers),
        _batch("batch POST of 500, two web processes, 4 connections each", two, bare, least=TWO_WEBS),
    ]


def produce(bench: Bench, site: Platform) -> float:
    """Returns the rate of the bare loop."""
    found = json.loads(run(site, "benchmarks.with_django", "produce", str(bench.size(100_000, 5000))))
    return float(found["rate"])


def _batch(figure: str, rates: list[float], bare: list[float], *, least: float, **more: object) -> Line:
    return beside(
        figure,
        f"≥ {least:,.0f} notifications/s",
        rates,
        bare,
        least=0,
        measured=f"{median(rates):,.0f} notifications/s",
        baseline=f"{median(bare):,.0f}/s: {PRODUCE}",
        reached=median(rates) >= least,
        **more,
    )


def start_web(site: Platform) -> Process:
    """A web process that has accepted one, so that its producer is connected."""
    web = site.start_web(*GRANIAN)
    site.send(receiver_of("EMAIL", 0))
    return web


def start_bare(site: Platform) -> int:
    """The bare view on the same server with the same threads; its port."""
    (port,) = free_ports(1)
    granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), *GRANIAN]
    before = dict(site.environment)
    site.environment["DJANGO_SETTINGS_MODULE"] = "benchmarks.bare.settings"
    site.start("bare", [*granian, "benchmarks.bare.wsgi:application"])
    site.environment = before
    wait_until(lambda: _answers(port), deadline=30, what="the bare view answers")
    return port


def _answers(port: int) -> bool:
    try:
        return request(port, "POST", "/notification", b'{"receiver":"nobody@example.com"}').status == 202
    except OSError:
        return False
