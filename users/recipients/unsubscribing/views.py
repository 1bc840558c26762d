"""/u/<token>: the link in an e-mail. POST unsubscribes (RFC 8058), GET and HEAD show a page and write nothing.

Mail programs post there by themselves, without cookies or a page of ours. So a POST needs neither a session nor a CSRF
token: whoever has the token may do what it names, and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from django.template.loader import render_to_string
from django.views.decorators.csrf import csrf_exempt

from notifications.messages.words import CategoryKind
from notifications.models import Category
from project.web.errors import refusal
from users.access.addresses import client_address
from users.recipients.unsubscribing import tokens, verbs
from users.recipients.unsubscribing.tokens import Link
from users.recipients.unsubscribing.verbs import Standing, Verb

MAX_FORM = 10_000  # bytes; what is longer than any form that we know is not read
UNREADABLE = (SuspiciousOperation, BadRequest, MultiPartParserError, UnreadablePostError, ValueError, LookupError)
HEADERS = {
    "Referrer-Policy": "no-referrer",  # the address is all that somebody needs to unsubscribe this reader
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
STOP_ALL, UNDO_ALL = "Stop everything that is not mandatory", "Undo: get everything again"

Buttons = Sequence[tuple[Verb, str]]


@csrf_exempt
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """The page of a link, or what its reader wants."""
    if request.method not in {"GET", "HEAD", "POST"}:
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    link = tokens.read(token)
    if link is None:
        wrong = ["Its address is not complete, or it is not one of ours. Use the link in a newer e-mail."]
        return _page({"title": "This link does not work", "sentences": wrong}, status=404)
    try:
        if request.method == "POST":
            verbs.do(link, _verb_of(request), client_address(request) or "")
        return _page(_words(link, verbs.standing_of(link)) | {"saved": request.method == "POST"})
    except (DatabaseError, InterfaceError) as error:
        return refusal(error)


def _verb_of(request: HttpRequest) -> Verb:
    """Returns what a form asks for. A mail program's has no word of ours, whatever else it has: it unsubscribes."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isdecimal() and len(length) <= len(str(MAX_FORM)) and int(length) <= MAX_FORM):
        return Verb.OFF
    try:
        word = request.POST.get("do", "")
    except UNREADABLE:
        return Verb.OFF
    return Verb(word) if word in list(Verb) else Verb.OFF


def _words(link: Link, standing: Standing) -> dict[str, Any]:
    """Returns what the page says, and its buttons."""
    category = f"“{link.category}”"
    if Category.objects.filter(name=link.category, kind=CategoryKind.MANDATORY).exists():
        why = f"E-mails of the category {category} are mandatory: they are sent whatever you choose."
        return _shown("These e-mails are always sent", [why], _all_of_it(standing))
    if standing.off and standing.all_off:
        nothing = "Nothing is sent to you any more but what is mandatory."
        return _shown("You get no more of these e-mails", [nothing], [(Verb.ALL_ON, UNDO_ALL)])
    if standing.off:
        none = f"No more e-mails of the category {category} are sent to you."
        buttons = [(Verb.ON, "Undo: get them again"), (Verb.ALL_OFF, STOP_ALL)]
        return _shown("You get no more of these e-mails", [none], buttons)
    some = f"They are of the category {category}. Nothing changes before you press a button."
    return _shown("Do you want no more of these e-mails?", [some], [(Verb.OFF, "Stop them"), *_all_of_it(standing)])


def _all_of_it(standing: Standing) -> Buttons:
    return [(Verb.ALL_ON, UNDO_ALL) if standing.all_off else (Verb.ALL_OFF, STOP_ALL)]


def _shown(title: str, sentences: Sequence[str], buttons: Buttons) -> dict[str, Any]:
    return {"title": title, "sentences": sentences, "buttons": [(verb.value, words) for verb, words in buttons]}


def _page(words: dict[str, Any], status: int = 200) -> HttpResponse:
    """Renders without the request, whose session and messages would make it another page for each browser."""
    return HttpResponse(render_to_string("users/unsubscribe.html", words), status=status, headers=HEADERS)
