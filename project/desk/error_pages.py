"""The admin's pages for errors. None of them asks the database anything, so that they are shown without one too."""

from __future__ import annotations

import sys
from copy import copy
from typing import Any

from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.template.loader import get_template

from project.database import refusals

RETRY_AFTER = 5  # seconds
NOTHING_DONE = "Nothing was changed."


def bad_request(request: HttpRequest, error: Exception | None = None) -> HttpResponse:
    """Returns the page for a request that nobody can read, or whose session could not be saved behind its answer."""
    if isinstance(error, SessionInterrupted):
        return _interrupted(request, error)
    return _page(request, 400, "This request cannot be read", "Its address or its form has values that none can have.")


def _interrupted(request: HttpRequest, error: SessionInterrupted) -> HttpResponse:
    """Tells a database that takes no writes from a session that ended meanwhile: Django makes both the same error."""
    why: BaseException | None = error
    while why is not None:
        if refusals.is_outage(why):
            return _outage(request)
        why = why.__context__
    ended = "You logged out in another window while this was going on."
    return _page(request, 400, "Your session has ended", ended, "Log in, and look whether it was done.")


def _outage(request: HttpRequest) -> HttpResponse:
    lost = "Nothing is lost: what was accepted waits, and is sent when the database is back."
    return _page(request, 503, "The database does not answer", lost, "Try again in a moment.", again=True)


def forbidden(request: HttpRequest, why: str = "") -> HttpResponse:
    """Returns the page for somebody without a right. `why` names the right, such as "Can discard letters"."""
    needed = f"It needs this right: “{why}”." if why else "Your account has no right to it."
    return _page(
        request, 403, "You may not do this", needed, NOTHING_DONE, "Whoever looks after the accounts can help."
    )


def not_found(request: HttpRequest) -> HttpResponse:
    why = "The address is wrong, or what stood there has been removed because of its age."
    return _page(request, 404, "There is nothing at this address", why)


def csrf_failure(request: HttpRequest) -> HttpResponse:
    why = "You logged in or out in another window since this page was opened, or your browser takes no cookies from us."
    return _page(request, 403, "This page was open for too long", why, NOTHING_DONE, "Open it anew and try again.")


def read_only(request: HttpRequest, why: str, retry_after: int) -> HttpResponse:
    """Returns the page for whoever wants to change something while the platform is read-only."""
    answer = _page(request, 503, "Nothing can be changed now", why, NOTHING_DONE, "Everything can still be read.")
    answer.headers["Retry-After"] = str(retry_after)
    return answer


def server_error(request: HttpRequest) -> HttpResponse:
    """Returns the page for the exception that is being handled: the database is away, is too slow, or we are wrong."""
    error = sys.exc_info()[1]
    if error is not None and refusals.took_too_long(error):
        why = "There are too many rows to look through. Ask for fewer: by a shorter time, or with one more filter."
        return _page(request, 503, "This takes too long to find", why, again=True)
    if error is not None and refusals.is_outage(error):
        return _outage(request)
    why = "It is an error of ours, and was written down. Nothing that was accepted is lost."
    return _page(
        request, 500, "Something went wrong here", why, "Try again, or tell whoever runs this site when it was."
    )


def _page(request: HttpRequest, status: int, title: str, *sentences: str, again: bool = False) -> HttpResponse:
    """Returns the page. `again` offers to repeat a request that changes nothing."""
    repeats = again and request.method == "GET"
    context: dict[str, Any] = {
        **admin.site.each_context(_of_nobody(request)),
        "title": title,
        "sentences": sentences,
        "again": request.get_full_path() if repeats else "",
    }
    answer = HttpResponse(get_template("desk/error.html").render(context), status=status)
    if again:
        answer.headers["Retry-After"] = str(RETRY_AFTER)
    return answer


def _of_nobody(request: HttpRequest) -> HttpRequest:
    """Returns the request as somebody sends it who is not logged in: the frame of its page looks no rights up."""
    other = copy(request)
    other.user = AnonymousUser()
    return other
