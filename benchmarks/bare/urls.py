"""One call."""

from __future__ import annotations

from django.urls import path

from benchmarks.bare.views import submit

urlpatterns = [path("notification", submit)]
