"""The two probes: this process answers, and it could do its work. Neither needs an API key."""

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

from notifications.brokers.base import open_broker
from project import VERSION
from project.database import refusals
from project.operations.writing import writing


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


def unapplied_migrations() -> list[str]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


def _broker() -> tuple[str, str]:
    return "broker", broker_problem()


def broker_problem() -> str:
    """Returns why publishing or reading fails now; "" where it does not. It takes two seconds at most."""
    return open_broker().problem() or ""
