"""Who may try a password, how often, and the list of those refused. django-axes counts; this says what it counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from axes.models import AccessFailureLog
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.signals import user_logged_in
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from project.desk.base import ReadOnlyAdmin, column, time_column
from project.desk.filters import TimeRange


def locked_out(request: HttpRequest, *_: Any) -> HttpResponse:
    """The page after too many wrong passwords, whatever the password was this time."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    context = {**admin.site.each_context(request), "title": "Locked", "minutes": minutes}
    answer = render(request, "users/locked_out.html", context, status=429)
    answer.headers["Retry-After"] = str(minutes * 60)
    return answer


def end_after_a_working_day(request: HttpRequest, **_: Any) -> None:
    """Ends the session so long after its log-in, whatever is done meanwhile.

    By itself Django begins the time anew with each change of the session, so a stolen cookie could be kept for ever.
    """
    request.session.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))


user_logged_in.connect(end_after_a_working_day)


class EndedSession:
    """Tells whoever posted a form after the session had ended that nothing was done, and leads back to that form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        login = reverse("admin:login")
        if request.method == "POST" and _leads_to(response, login) and request.path != login:
            messages.warning(request, "Your session had ended, so nothing was done. Log in, and do it again.")
            return HttpResponseRedirect(f"{login}?{urlencode({'next': _page_of(request)})}")
        return response


def _leads_to(response: HttpResponse, path: str) -> bool:
    return isinstance(response, HttpResponseRedirect) and response.url.partition("?")[0] == path


def _page_of(request: HttpRequest) -> str:
    """Returns the page with the form that was posted, as the browser names it, or the address of the post."""
    page = urlsplit(request.headers.get("Referer", ""))
    if page.netloc == request.get_host() and page.path.startswith(reverse("admin:index")):
        return f"{page.path}?{page.query}" if page.query else page.path
    return request.get_full_path()


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
