"""How fast notifications are accepted: one by one, in batches, and while Kafka is down."""

from __future__ import annotations

import json
import sys

from benchmarks.bench import Bench
from benchmarks.lines import Line, beside
from benchmarks.measure import load, median, pairs, percentile, run
from benchmarks.traffic import receiver_of
from harness.platform import Platform, Process, wait_until
from harness.platform.web import request
from harness.services.process import free_ports

# As the image starts it, with one worker.
GRANIAN = ("--no-ws", "--http", "1", "--backpressure", "512", "--blocking-threads", "512")
BATCH = 500


def single(bench: Bench) -> list[Line]:
    """POST /notification with an API key, beside the least a view can do."""
    site = bench.services.fresh()
    start_web(site)
    ours = ["--key", site.create_api_key("send"), "--seconds", str(bench.seconds(5))]
    bare_port = start_bare(site)

    def post(port: int) -> float:
        return float(load(site, port, *ours)["rate"])

    mine, bare = pairs(bench.times(5), lambda: post(site.ports[0]), lambda: post(bare_port))
    bench.services.drop(site)
    return [
        beside(
            "single POST with an API key, acknowledged by Kafka, one web process, 32 connections",
            "≥ 0.7 × a bare Django view that parses JSON, produces and waits for the same ack",
            mine,
            bare,
            least=0.7,
            numbers={"single": median(mine)},
        )
    ]


def batch(bench: Bench) -> list[Line]:
    """POST /notifications of 500, beside a loop that encodes and produces the same records."""
    site = bench.services.fresh()
    start_web(site)
    seconds = bench.seconds(5)
    options = ["--key", site.create_api_key("send"), "--seconds", str(seconds), "--connections", "4"]

    def post() -> float:
        return BATCH * float(load(site, site.ports[0], *options, "--batch", str(BATCH))["rate"])

    def loop() -> float:
        measured_load = json.loads(run(site, "benchmarks.with_django", "produce", str(bench.size(100_000, 5000))))
        return float(measured_load["rate"])

    mine, bare = pairs(bench.times(5), post, loop)
    bench.services.drop(site)
    return [
        beside(
            "batch POST of 500, 4 connections",
            "≥ 0.5 × a bare loop that encodes and produces the same records and waits for the acks at the end",
            mine,
            bare,
            least=0.5,
            measured=f"{median(mine):,.0f} notifications/s",
            numbers={"batch": median(mine)},
        )
    ]


def without_kafka(bench: Bench) -> list[Line]:
    """The same single POST while the broker is stopped: everything goes through the outbox."""
    site = bench.services.fresh()
    web = start_web(site)
    key = site.create_api_key("send")
    bench.services.kafka.stop()
    try:
        # The first to notice waits for its delivery timeout; from then on nobody does.
        load(site, site.ports[0], "--key", key, "--seconds", "6", "--warm", "0")
        assert "through the outbox" in web.output, web.output[-2000:]
        measured_load = load(site, site.ports[0], "--key", key, "--seconds", str(bench.seconds(8)))
    finally:
        site.kill_all()
        bench.services.kafka.start()
    p99 = percentile(measured_load["took"], 0.99) * 1000
    return [
        Line(
            figure="intake while Kafka is down, 32 connections",
            must="≥ 500/s through the outbox, p99 ≤ 100 ms after the first trip",
            measured=f"{measured_load['rate']:,.0f}/s, p99 {p99:.0f} ms",
            reached=measured_load["rate"] >= 500 and p99 <= 100,
            note=f"p50 {percentile(measured_load['took'], 0.5) * 1000:.0f} ms",
        )
    ]


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
        return request(port, "POST", "/notification", b"{}").status == 202
    except OSError:
        return False
