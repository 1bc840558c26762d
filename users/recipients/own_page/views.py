"""/p/<token>: what a person gets and chose, without a log-in. GET writes nothing, POST saves what was changed.

Whoever has the token may do what the page does, so a POST needs neither a session nor a cookie. A page of somebody else
cannot know the token; browsers that say that a form came from there are refused nevertheless.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.request import UnreadablePostError
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt

from notifications.messages.explain import Invalid
from users.access.addresses import client_address
from users.people.models import User
from users.recipients import preferences
from users.recipients.models import PreferenceEvent
from users.recipients.own_page import links, shown
from users.recipients.own_page.form import MAX_FORM, Given, changes_of, fields_of
from users.recipients.preferences import Source
from users.recipients.zones import zone_names

PATH = "/p/"
ACTOR = "the person"  # in the events
MOST_CHANGES = 1_000  # of one person in an hour, so that nobody fills the record with a link
WRONG_LINK = "Its address is not complete, or it is too old. Use the link in a newer message."
FIELDS = {"time_zone": "Time zone", "quiet": "Quiet hours", "paused_until": "Pause until", "choices": "Choices"}
HEADERS = {
    "Referrer-Policy": "no-referrer",  # the address is all that somebody needs to change what this person gets
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


@csrf_exempt
def own_page(request: HttpRequest, token: str) -> HttpResponse:
    """The page of the person whom the token names."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    try:
        username = links.read(token)
        if username is None or not User.objects.filter(username=username).exists():
            return sentence("This link does not work", WRONG_LINK, HTTPStatus.NOT_FOUND)
        return _save(request, username) if request.method == "POST" else _page(request, username)
    except (DatabaseError, InterfaceError):
        why = "Your choices cannot be read at the moment. Nothing was changed. Try again in a minute."
        return sentence("Please try again", why, HTTPStatus.SERVICE_UNAVAILABLE)


def _save(request: HttpRequest, username: str) -> HttpResponse:
    if _is_from_elsewhere(request):
        why = "This form was sent from another site. Nothing was changed."
        return sentence("Nothing was changed", why, HTTPStatus.FORBIDDEN)
    given = _given(request)
    if given is None:
        why = "This form cannot be read. Nothing was changed. Open the page anew."
        return sentence("Nothing was changed", why, HTTPStatus.BAD_REQUEST)
    lately = PreferenceEvent.objects.filter(username=username, at__gt=Now() - timedelta(hours=1))
    if lately[:MOST_CHANGES].count() == MOST_CHANGES:
        why = "There were too many changes in the last hour. Try again later."
        return sentence("Nothing was changed", why, HTTPStatus.TOO_MANY_REQUESTS)
    try:
        changes, address = changes_of(given), client_address(request) or ""
        preferences.change(username, changes, actor=ACTOR, source=Source.PAGE, address=address)
    except Invalid as invalid:
        return _page(request, username, given, invalid.errors)
    return _page(request, username, saved=True)


def _given(request: HttpRequest) -> Given | None:
    """Returns the fields of the form; None where they cannot be read."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isdecimal() and int(length) <= MAX_FORM):
        return None
    if request.content_type != "application/x-www-form-urlencoded":
        return None
    try:
        return fields_of(request.body)
    except (ValueError, SuspiciousOperation, UnreadablePostError):
        return None


def _is_from_elsewhere(request: HttpRequest) -> bool:
    """Returns whether the browser says so. Because of our own Referrer-Policy, `Origin` is "null" for our own form."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin", "null")
    ours = {urlsplit(each).netloc for each in (settings.PUBLIC_URL, *settings.CSRF_TRUSTED_ORIGINS)}
    return origin != "null" and urlsplit(origin).netloc not in {request.get_host(), *ours}


def _page(
    request: HttpRequest,
    username: str,
    given: Given | None = None,
    errors: Mapping[str, list[str]] | None = None,
    *,
    saved: bool = False,
) -> HttpResponse:
    """Returns the page as things are now, or, with what is wrong, as the form was given."""
    given = given or {}
    chosen, receivers = preferences.of(username), shown.receivers_of(username)
    words: dict[str, Any] = {
        "groups": shown.groups(receivers, chosen, given),
        "everywhere": shown.everywhere(receivers, chosen, given),
        "settings": shown.settings_shown(chosen, given),
        "zone": shown.zone_of(chosen).key,
        "zones": sorted(zone_names()),
        "saved": saved,
        "errors": [(FIELDS.get(name, name), " ".join(why)) for name, why in (errors or {}).items()],
    }
    status = HTTPStatus.BAD_REQUEST if errors else HTTPStatus.OK
    return _rendered("users/own_page.html", words, status, request)


def sentence(title: str, why: str, status: HTTPStatus) -> HttpResponse:
    """Returns a page with one sentence."""
    return _rendered("users/sentence.html", {"title": title, "why": why}, status)


def read_only(why: str, retry_after: int) -> HttpResponse:
    """Returns the answer to a POST while the platform takes no changes."""
    words = f"{why} Nothing was changed. Try again later."
    answer = sentence("Nothing was changed", words, HTTPStatus.SERVICE_UNAVAILABLE)
    answer.headers["Retry-After"] = str(retry_after)
    return answer


def _rendered(
    template: str, words: dict[str, Any], status: HTTPStatus, request: HttpRequest | None = None
) -> HttpResponse:
    """Renders the page, which knows from the request whether the platform is read-only."""
    return HttpResponse(render_to_string(template, words, request), status=status, headers=HEADERS)
