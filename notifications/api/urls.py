"""The calls of the notification API; none has a trailing slash."""

from __future__ import annotations

from django.urls import path

from notifications.api.read import ListOrSubmit, ReadOne
from notifications.api.submit import SubmitOne
from project.operations.health import Live, Ready
from project.operations.pages import Docs, Metrics, Schema

urlpatterns = [
    path("notification", SubmitOne.as_view()),
    path("notification/<str:id>", ReadOne.as_view()),
    path("notifications", ListOrSubmit.as_view()),
    path("health/live", Live.as_view()),
    path("health/ready", Ready.as_view()),
    path("metrics", Metrics.as_view()),
    path("schema", Schema.as_view(), name="schema"),
    path("docs", Docs.as_view(url_name="schema", http_method_names=["get", "head"])),
]
