"""The pages for operators and for authors of clients: metrics, the OpenAPI description and its page."""

from __future__ import annotations

from typing import ClassVar

from django.http import HttpResponse
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from project import metrics
from project.web.openapi import refusals
from users.access.authentication import StaffOrApiKey


class Metrics(APIView):
    """GET /metrics."""

    scopes: ClassVar = {"GET": "metrics"}

    @extend_schema(
        operation_id="metrics",
        tags=["operations"],
        summary="This web process's figures",
        description="For Prometheus. Workers serve theirs on METRICS_PORT. Scope `metrics`.",
        responses={(200, "text/plain"): OpenApiTypes.STR, **refusals()},
    )
    def get(self, _request: Request) -> HttpResponse:
        return HttpResponse(metrics.exposition(), content_type=CONTENT_TYPE_LATEST)


class Schema(SpectacularJSONAPIView):
    """GET /schema: OpenAPI 3 as JSON, for any API key or a signed-in member of staff."""

    authentication_classes = (StaffOrApiKey,)

    def get_renderers(self) -> list[BaseRenderer]:
        return [OpenApiJsonRenderer2()]  # application/json


class Docs(SpectacularSwaggerSplitView):
    """GET /docs: the description as a page, whose script is a file of its own."""

    authentication_classes = (StaffOrApiKey,)
