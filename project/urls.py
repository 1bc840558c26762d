"""Where everything is. What is nowhere is answered in JSON, except under /admin/."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import path, re_path

from notifications.api.urls import urlpatterns as notification_calls
from project.desk.base import find_pages
from project.operations.dashboard import fragment_view
from project.operations.urls import urlpatterns as operation_calls
from project.privacy.urls import urlpatterns as privacy_calls
from project.web import errors
from users.access.admin.second_factor import second_factor
from users.people.urls import urlpatterns as user_calls
from users.recipients.own_page.urls import urlpatterns as own_page
from users.recipients.suppression_views import Suppressions
from users.recipients.unsubscribing.views import unsubscribe
from users.recipients.urls import urlpatterns as recipient_calls

admin.autodiscover()  # here, because only a process that serves pages needs them

urlpatterns = [
    *notification_calls,  # not included: each level of resolvers costs every call a few µs
    *operation_calls,
    *user_calls,
    *recipient_calls,
    *own_page,
    *privacy_calls,
    path("suppressions", Suppressions.as_view()),
    path("", errors.leads_to("/docs")),
    path("docs/", errors.leads_to("/docs")),
    path("schema/", errors.leads_to("/schema")),
    path("favicon.ico", errors.leads_to(f"{settings.STATIC_URL}desk/favicon.svg")),
    path("u/<str:token>", unsubscribe),
    path("admin", errors.leads_to("/admin/")),
    path("admin/second-factor/", second_factor, name="second_factor"),
    path("admin/search/", admin.site.admin_view(find_pages)),  # before unfold's own
    path("admin/overview/", fragment_view, name="overview"),
    path("admin/", admin.site.urls),
    re_path(r"", errors.not_found),  # with DEBUG, Django's own answer would be a page
]

handler400 = errors.bad_request
handler403 = errors.permission_denied
handler404 = errors.not_found
handler500 = errors.server_error
