"""What spans cost a sender: the drain of a no-op provider with every notification traced, beside the same without."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from benchmarks.bench import Bench
from benchmarks.cpu import in_words, medians
from benchmarks.drain import drain_noop
from benchmarks.lines import Cost, Line, ratio_of, shown
from benchmarks.measure import Drained, median, pairs


def noop(bench: Bench) -> list[Line]:
    """One process. Spans that do not fit into the SDK's queue are dropped, so it is the SDK that is measured."""
    count = bench.size(30_000)
    runs: list[Drained] = []

    def plain() -> float:
        return drain_noop(bench, count).rate

    with _sink() as url:

        def traced() -> float:
            every = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER": "always_on"}
            runs.append(drain_noop(bench, count, settings=every))
            return runs[-1].rate

        ours, theirs = pairs(bench.times(3), traced, plain)
    rate, cost = median(ours), medians([run.cost for run in runs])
    return [
        Line(
            figure="the same with traces on, each notification traced",
            must="–",
            measured=f"{rate:,.0f}/s; {in_words(cost, 'sender', 'PostgreSQL')}",
            baseline=f"{median(theirs):,.0f}/s without",
            ratio=shown(ratio_of(ours, theirs)),
            note="three spans for each: claim, send, settle; a collector that reads them and does nothing",
            cost=Cost(path="drain, no-op provider, traces on", rate=rate, micros=cost),
        )
    ]


@contextmanager
def _sink() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Sink)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class _Sink(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing."""
