"""Spans as OpenTelemetry's SDK has them, sent to a collector by OTLP over HTTP. Its variables configure it."""

from __future__ import annotations

import threading
from functools import partial
from multiprocessing.util import Finalize

from django.conf import settings
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from opentelemetry.trace import Span as ApiSpan

from project.traces.tracing import Attributes, Span

LONGEST_END = 2.0  # seconds that the end of a process waits for its last spans


class Exported:
    """Begins spans that are exported. One for each process."""

    def __init__(self) -> None:
        provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = provider.get_tracer("notifications", str(settings.SPECTACULAR_SETTINGS["VERSION"]))
        Finalize(None, partial(_end, provider), exitpriority=1)  # also at the end of a child of multiprocessing

    def begin(self, name: str, parent: str, kind: str, attributes: Attributes, at: int | None) -> Span:
        context = _context_of(parent) if parent else Context()
        return _Begun(self._tracer.start_span(name, context, SpanKind[kind], attributes, start_time=at))


class _Begun(Span):
    def __init__(self, span: ApiSpan) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def end(self, error: str = "") -> None:
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()


def _end(provider: TracerProvider) -> None:
    """Sends the last spans, as far as the collector takes them in time: else the SDK would try for half a minute."""
    sending = threading.Thread(target=provider.shutdown, daemon=True)
    sending.start()
    sending.join(LONGEST_END)


def _context_of(traceparent: str) -> Context:
    _, trace_id, span_id, flags = traceparent.split("-")
    above = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    return set_span_in_context(NonRecordingSpan(above), Context())


def _resource() -> Resource:
    named = "SERVICE_NAME" in settings.OTEL or SERVICE_NAME in settings.OTEL.get("RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {SERVICE_NAME: "notifications"})
