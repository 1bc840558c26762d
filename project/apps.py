"""Sets up what every process needs once Django knows its models."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created


class ProjectConfig(AppConfig):
    name = "project"

    def ready(self) -> None:
        from notifications.ledger import columns
        from project import metrics, open_connections
        from project.database import schema
        from project.traces import tracing
        from project.web import calls

        checks.register(schema.compare, checks.Tags.database)
        checks.register(calls.check, checks.Tags.urls)
        checks.register(columns.compare, checks.Tags.models)
        connection_created.connect(_bound_idle_transactions)
        connection_created.connect(open_connections.note)
        metrics.database_connections.set_function(open_connections.count)
        metrics.start_at_zero(settings.CHANNELS)
        tracing.start()


def _bound_idle_transactions(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Lets the server end a transaction that stands still for longer than a lease.

    The sweep skips locked rows. Without this bound nobody could take the rows of a process that stands still inside a
    transaction.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            milliseconds = int(settings.LEASE_SECONDS * 1000)
            cursor.execute("SET idle_in_transaction_session_timeout = %s", [milliseconds])
