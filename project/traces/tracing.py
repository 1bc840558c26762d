"""Spans, where the standard variables OTEL_… name a collector. Otherwise nothing of OpenTelemetry is even imported.

Whoever begins a span gives the traceparent of what it belongs to. Nothing is kept in a context: a notification goes
through threads, loops and processes in batches with others, so its traceparent travels with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from django.conf import settings
from django.utils.module_loading import import_string

# The kinds of spans, as OpenTelemetry names them.
SERVER, CLIENT, PRODUCER, CONSUMER = "SERVER", "CLIENT", "PRODUCER", "CONSUMER"

Attributes = Mapping[str, str | int]


class Span:
    """One that is not wanted. It costs nothing and has no traceparent."""

    traceparent = ""

    def end(self, error: str = "") -> None:
        """Ends it now. `error` is a word, such as a cause."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None) -> None:
        self.end(kind.__name__ if kind else "")


class Spans(Protocol):
    def begin(self, name: str, parent: str, kind: str, attributes: Attributes, at: int | None) -> Span: ...


class _Tracing:
    spans: Spans | None = None


NOTHING = Span()


def start() -> None:
    """Begins to trace in this process, where a collector is named."""
    if names_a_collector(settings.OTEL):
        _Tracing.spans = import_string("project.traces.spans.Exported")()


def is_on() -> bool:
    return _Tracing.spans is not None


def begin(name: str, parent: str, kind: str, attributes: Attributes, *, at: int | None = None) -> Span:
    """Begins a span below the traceparent `parent`, or a trace where that is "". `at` is in ns since the epoch, or now.

    It must be ended, by `end` or as a context.
    """
    return _Tracing.spans.begin(name, parent, kind, attributes, at) if _Tracing.spans else NOTHING


def about(operation: str, kind: str, topic: str, id: object = None, **more: Any) -> dict[str, str | int]:
    """Returns the attributes of a span by the semantic conventions of messaging.

    `operation` is our name of it and `kind` that of the conventions: create, send, receive, process or settle.
    """
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": kind,
    }
    attributes |= {"messaging.destination.name": topic} if topic else {}
    attributes |= {"messaging.message.id": str(id)} if id else {}
    return attributes | more


def names_a_collector(otel: Mapping[str, str]) -> bool:
    """Returns True where the variables (without OTEL_) say where spans go, and that they are wanted."""
    if otel.get("SDK_DISABLED", "").lower() == "true" or otel.get("TRACES_EXPORTER", "otlp") != "otlp":
        return False
    return bool(otel.get("EXPORTER_OTLP_ENDPOINT") or otel.get("EXPORTER_OTLP_TRACES_ENDPOINT"))
