"""The URLs for operators and for authors of clients. None has a trailing slash."""

from __future__ import annotations

from django.urls import path

from project.operations.health import Live, Ready
from project.operations.pages import Docs, Metrics, Schema

urlpatterns = [
    path("health/live", Live.as_view()),
    path("health/ready", Ready.as_view()),
    path("metrics", Metrics.as_view()),
    path("schema", Schema.as_view(), name="schema"),
    path("docs", Docs.as_view(url_name="schema", http_method_names=["get", "head"])),
]
