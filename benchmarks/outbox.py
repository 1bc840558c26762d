"""How fast notifications are accepted while Kafka is down."""

from __future__ import annotations

from benchmarks.bench import Bench
from benchmarks.intake import start_web
from benchmarks.lines import Line
from benchmarks.measure import load, percentile


def without_kafka(bench: Bench) -> list[Line]:
    """The single POST while the broker is stopped: everything goes through the outbox."""
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
