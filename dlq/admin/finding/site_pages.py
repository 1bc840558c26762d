"""The pages of the desk that belong to no table. Importing this adds them to the admin's addresses."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.urls import URLPattern, path

from dlq.admin.choices.change_page import change_view
from dlq.admin.finding.find_page import find_view
from dlq.admin.finding.person_page import person_view


def pages() -> list[URLPattern]:
    """Returns their addresses. Unfold's site calls it."""
    guard = admin.site.admin_view
    return [
        path("find/", guard(find_view), name="desk_find"),
        path("person/", guard(person_view), name="desk_person"),
        path("person/<int:key>/<slug:name>/", guard(change_view), name="desk_person_change"),
    ]


cast("Any", admin.site).extra_urls = pages
