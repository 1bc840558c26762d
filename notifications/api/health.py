"""Whether this process lives, and whether it could do its work. Neither needs an API key."""

from __future__ import annotations

from typing import Any

from django.db import Error as DatabaseProblem
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications.broker import open_broker


class Health(serializers.Serializer[Any]):
    """Alive, or ready; if not, what is missing and why."""

    status = serializers.CharField()
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
        return Response({"status": "live"})


class Ready(Open):
    @extend_schema(
        operation_id="ready",
        tags=["operations"],
        auth=[],
        summary="The database, its migrations and the broker are there",
        description="Needs no API key.",
        responses={200: Health, 503: OpenApiResponse(Health, description="Something is missing.")},
    )
    def get(self, _request: Request) -> Response:
        missing = {name: why for name, why in (_database(), _broker()) if why}
        if missing:
            return Response({"status": "not ready", "missing": missing}, status=503)
        return Response({"status": "ready"})


def _database() -> tuple[str, str]:
    """What is missing of the database, and why; an empty reason if nothing is."""
    try:
        unapplied = _unapplied_migrations()
    except DatabaseProblem:
        return "database", "It does not answer."
    return "migrations", f"Not applied: {', '.join(unapplied)}." if unapplied else ""


def _unapplied_migrations() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _broker() -> tuple[str, str]:
    return "broker", open_broker().problem() or ""
