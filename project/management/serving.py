"""A worker's metrics and its two probes, over HTTP on METRICS_PORT."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from socketserver import ThreadingMixIn
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings
from django.core.management.base import CommandError
from django.db import Error as DatabaseProblem
from django.db import connection
from prometheus_client import make_wsgi_app

from notifications.brokers.base import open_broker
from project.database import refusals
from project.operations.writing import writing


def serve_metrics(port: int, is_stuck: Callable[[], bool], unassigned: Callable[[], Sequence[str]] = tuple) -> None:
    """Serves `/metrics`, `/health/live` and `/health/ready` on METRICS_HOST, in a thread. Port 0 serves nothing.

    A worker whose loop stands still is not live, because a restart may help. A worker is not ready while Kafka does not
    answer it, its groups have not given it its share of the topics that `unassigned` returns, or the database takes no
    writes: a restart would not help, and it goes on by itself. Raises CommandError where it cannot listen on the port.
    """
    if not port:
        return
    metrics_app = make_wsgi_app()

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/health/live":
            return _answer(start_response, "A loop has not moved for a minute." if is_stuck() else "")
        if environ["PATH_INFO"] == "/health/ready":
            return _answer(start_response, _missing(unassigned()))
        return cast("Iterable[bytes]", metrics_app(environ, start_response))

    server = _listen(port, app)
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()


def _missing(unassigned: Sequence[str]) -> str:
    """Returns what a worker lacks to do its work, as sentences; "" where it lacks nothing."""
    found = [open_broker().problem() or ""]
    if unassigned:
        found.append(f"No partitions yet of {', '.join(unassigned)}.")
    try:
        writing.prove()
    except DatabaseProblem as error:
        found.append(f"The database takes no writes. {refusals.reason(error)}")
    finally:
        connection.close()  # each probe has a thread of its own
    return " ".join(filter(None, found))


def _listen(port: int, app: Any) -> WSGIServer:
    try:
        return make_server(settings.METRICS_HOST, port, app, _Server, handler_class=_Silent)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "a port is from 1 to 65535"
        raise CommandError(
            f"METRICS_PORT {port} of METRICS_HOST {settings.METRICS_HOST} cannot be used: {why}."
        ) from error


def _answer(start_response: Any, problem: str) -> Iterable[bytes]:
    start_response("503 Service Unavailable" if problem else "200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"{problem or 'ok'}\n".encode()]


class _Server(ThreadingMixIn, WSGIServer):
    """Answers a probe while somebody else reads the metrics slowly."""

    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None:
        """Writes nothing: lines about probes would hide all others."""
