"""A collector of OpenTelemetry: takes spans by OTLP over HTTP and keeps them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Exported:
    """A span as it arrived; ids in hex."""

    name: str
    trace_id: str
    id: str
    parent: str
    attributes: dict[str, Any]
    failed: bool
    whole: str  # all of it, as text


class Collector:
    """Listens on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.spans: list[Exported] = []
        taken = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = ExportTraceServiceRequest()
                asked.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                taken.extend(_exported(asked))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def environment(self) -> dict[str, str]:
        url = f"http://127.0.0.1:{self._server.server_port}"
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}

    def of(self, trace_id: str) -> list[Exported]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _exported(asked: ExportTraceServiceRequest) -> list[Exported]:
    return [
        Exported(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            {each.key: each.value.string_value or each.value.int_value for each in span.attributes},
            span.status.code == span.status.STATUS_CODE_ERROR,
            f"{resource.resource}{span}",
        )
        for resource in asked.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
