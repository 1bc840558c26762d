"""Where everything is. What is nowhere is answered in JSON, except under /admin/."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView

from notifications.api import errors

urlpatterns = [
    path("", include("notifications.api.urls")),
    path("", include("users.api.urls")),
    path("admin", RedirectView.as_view(url="/admin/")),
    path("admin/", admin.site.urls),
    re_path(r"", errors.not_found),  # with DEBUG, Django's own answer would be a page
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error
