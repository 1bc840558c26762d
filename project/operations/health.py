"""The two probes: this process answers, and it could do its work. Neither needs an API key."""

from __future__ import annotations

import os
import time
from typing import Any

from django.db import Error as DatabaseProblem
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from uuid_utils.compat import uuid7

from notifications.brokers.base import open_broker
from notifications.messages.words import Status
from notifications.models import Notification
from project import VERSION
from project.database import refusals

PROBE_BYTES = 16_384
PROBE_EVERY = 1.0  # seconds


class Health(serializers.Serializer[Any]):
    """The answer of a probe: a status, the version where it is live, and what is missing and why."""

    status = serializers.CharField()
    version = serializers.CharField(required=False)
    missing = serializers.DictField(child=serializers.CharField(), required=False)


class Open(APIView):
    """A call without an API key."""

    authentication_classes = ()
    permission_classes = ()


class Live(Open):
    @extend_schema(
        operation_id="live",
        tags=["operations"],
        auth=[],
        summary="The process answers",
        description="Needs no API key.",
        responses=Health,
    )
    def get(self, _request: Request) -> Response:
        return Response({"status": "live", "version": VERSION})


class Ready(Open):
    @extend_schema(
        operation_id="ready",
        tags=["operations"],
        auth=[],
        summary="The database takes writes, its migrations are applied, the broker is there",
        description="Needs no API key.",
        responses={200: Health, 503: OpenApiResponse(Health, description="Something is missing.")},
    )
    def get(self, _request: Request) -> Response:
        missing = {name: why for name, why in (_database(), _broker()) if why}
        if missing:
            return Response({"status": "not ready", "missing": missing}, status=503)
        return Response({"status": "ready"})


def _database() -> tuple[str, str]:
    """Returns what the database lacks, and why. The reason is empty where it lacks nothing."""
    try:
        if unapplied := unapplied_migrations():
            return "migrations", f"Not applied: {', '.join(unapplied)}. Run: manage.py migrate."
        writing.prove()
    except DatabaseProblem as error:
        return "database", refusals.reason(error)
    return "database", ""


class Writing:
    """Proves that the ledger takes a row, with one that is deleted in the same transaction.

    Reading proves nothing, because a full disk and a read-only server answer every query. It writes at most one row a
    second, because everybody may ask. The row's text is too long for the free space of a page, so that the table has to
    grow.
    """

    def __init__(self) -> None:
        self._proven_until = 0.0

    def prove(self) -> None:
        """Writes and deletes a row, unless this was done within the last second. Raises what the database raises."""
        if time.monotonic() < self._proven_until:
            return
        text = os.urandom(PROBE_BYTES // 2).hex()
        row = Notification(id=uuid7(), status=Status.SENT, message=text, accepted_at=timezone.now())
        with transaction.atomic():
            row.save(force_insert=True)
            row.delete()
        self._proven_until = time.monotonic() + PROBE_EVERY


writing = Writing()


def unapplied_migrations() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _broker() -> tuple[str, str]:
    return "broker", broker_problem()


def broker_problem() -> str:
    """Returns why publishing or reading fails now; "" where it does not. It takes two seconds at most."""
    return open_broker().problem() or ""
