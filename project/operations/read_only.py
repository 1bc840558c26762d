"""The read-only mode of the web: callers and staff are refused whatever would change something, with a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from notifications.ledger.pauses.read_only import mode
from project.desk import error_pages
from project.web.errors import json_response
from users.recipients.own_page import views as own_page

SAFE = ("GET", "HEAD", "OPTIONS")
# A person must be able to log in and to end it; the find box is posted, and changes nothing.
OPEN_PAGES = (
    "admin:login",
    "admin:logout",
    "second_factor",
    "admin:desk_find",
    "admin:notifications_pause_end_read_only",
)
LONGEST_RETRY = 60  # seconds; somebody may end it early
WHY = "The platform is read-only for maintenance."


class RefuseWrites:
    """Answers 503 to every other method than GET, HEAD and OPTIONS while the platform is read-only.

    It is asked before anybody is identified, for that can write too.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in SAFE or (stop := mode.in_force()) is None:
            return self.get_response(request)
        if request.path_info in map(reverse, OPEN_PAGES):
            return self.get_response(request)
        retry = max(1, math.ceil(min(stop.left(), LONGEST_RETRY)))
        if request.path_info.startswith("/admin/"):
            return error_pages.read_only(request, WHY, retry)
        if request.path_info.startswith(own_page.PATH):
            return own_page.read_only(WHY, retry)
        body = {"detail": f"{WHY} Nothing was accepted or changed. Try again later.", "code": "unavailable"}
        return json_response(503, body, {"Retry-After": str(retry)})


def banner(_: HttpRequest) -> dict[str, Any]:
    """Returns what every page of the admin shows while the platform is read-only; a context processor of Django's."""
    return {"read_only_mode": WHY if mode.in_force() else ""}
