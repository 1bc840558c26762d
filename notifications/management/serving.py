"""How a worker shows its metrics."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import CommandError
from prometheus_client import start_http_server


def serve_metrics(port: int) -> None:
    """Serves them on METRICS_HOST; 0 serves none. Raises CommandError where it cannot listen there."""
    if not port:
        return
    try:
        start_http_server(port, settings.METRICS_HOST)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "a port is from 1 to 65535"
        raise CommandError(
            f"METRICS_PORT {port} of METRICS_HOST {settings.METRICS_HOST} cannot be used: {why}."
        ) from error
