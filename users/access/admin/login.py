"""Who may try a password, how often, and the list of those refused. django-axes counts; this says what it counts."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from axes.models import AccessFailureLog
from django.conf import settings
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from project.desk.base import ReadOnlyAdmin, column, time_column
from project.desk.filters import TimeRange


def client_address(request: HttpRequest) -> str | None:
    """Where a log-in comes from: the connection, or what the proxy says that its connection was.

    A proxy appends the address it sees to X-Forwarded-For, so only the last one is not the client's own invention.
    Without a proxy, in the embedded default, the header means nothing.
    """
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.SECURE_PROXY_SSL_HEADER else ""
    for candidate in (forwarded.rpartition(",")[2].strip(), request.META.get("REMOTE_ADDR", "")):
        try:
            return str(ip_address(candidate.partition("%")[0]))
        except ValueError:
            continue
    return None


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """The page after too many wrong passwords, whatever the password was this time."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    context = {**admin.site.each_context(request), "title": "Locked", "minutes": minutes}
    answer = render(request, "users/locked_out.html", context, status=429)
    answer.headers["Retry-After"] = str(minutes * 60)
    return answer


@admin.register(AccessFailureLog)
class RefusedLoginAdmin(ReadOnlyAdmin[AccessFailureLog]):
    """For superusers alone: a name can be a password typed into the wrong field."""

    list_display = (
        time_column("attempt_time", "time"),
        *("username", "ip_address", column("then locked", lambda row: "yes" if row.locked_out else "")),
    )
    list_filter = (("attempt_time", TimeRange),)
    ordering = ("-id",)
    sortable_by = ()

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return (*self.list_display, "user_agent", "path_info")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.get_fields(request, obj)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)
