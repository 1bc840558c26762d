"""The box on every page: POST looks, then leads to the one hit or to the page of hits. No URL has what was typed."""

from __future__ import annotations

from secrets import token_urlsafe
from time import time
from typing import Any

import msgspec
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from dlq.admin.finding.far_look import FarLook
from dlq.admin.finding.find import Term
from dlq.admin.finding.hits import MOST, Found, Tables, look
from dlq.models import DeadLetter
from project.desk.audit import printed
from project.desk.base import MOST_TYPED
from project.desk.links import page_url
from project.desk.marks import mark_when_rendered, marked
from project.desk.sight import sight_of
from project.desk.spelling import SEARCHES

KEPT = 5  # of a session's last searches
KEPT_SECONDS = 600
MOST_SHOWN = 100


def find_view(request: HttpRequest) -> HttpResponse:
    """POST looks for `q` and redirects; GET shows the page of hits of a search of this session, or the empty box."""
    if request.method == "POST":
        return _search(request)
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    kept = _kept(request, request.GET.get("of", ""))
    if kept is None:
        return _page(request, {"over": "of" in request.GET})
    return _hits(request, *kept, MOST_SHOWN if request.GET.get("most") else MOST)


def _search(request: HttpRequest) -> HttpResponse:
    typed = request.POST.get("q", "").strip()
    page = reverse("admin:desk_find")
    if not typed:
        return HttpResponseRedirect(page)
    if "\x00" in typed or len(typed) > MOST_TYPED:
        return _page(request, {"too_long": True})
    found = look(request, Term(typed))
    return HttpResponseRedirect(found.only or f"{page}?of={_keep(request, typed, found.far)}")


def _hits(request: HttpRequest, term: Term, far: FarLook | None, most: int) -> HttpResponse:
    found = look(request, term, most, far)
    shown = term.shown(sight_of(request))
    context = {
        "typed": shown,
        "value": term.typed if term.typed == shown == marked(shown) else "",  # marks would be posted back
        "groups": found.groups,
        "looked_for": _sentence(term, found),
        "of": request.GET.get("of", ""),
        "more": most < MOST_SHOWN and any(group.more for group in found.groups),
        "domain": "" if found.groups else _nearest(request, term),
        "whole_list": _whole_list(term),
    }
    return _page(request, context)


def _sentence(term: Term, found: Found) -> str:
    """Returns what it was looked for as, and how far."""
    meanings = list(term.meanings())
    if found.far is not None:
        meanings.append("a provider's id")
        meanings += ["a trace id"] if term.trace else []
    words = ", ".join(meanings)
    if found.far is None:
        return f"{words}."
    since = found.far.since
    back = f"back to {printed(since)}; no index has these ids, and looking further would take too long" if since else ""
    return f"{words} ({back})." if back else f"{words}."


def _nearest(request: HttpRequest, term: Term) -> str:
    """Returns the domain of the address that was not found, where dead letters have it."""
    domains = {address.rpartition("@")[2].lower() for channel, address in term.receivers if channel == "EMAIL"}
    if not domains or not Tables(request).letters:
        return ""
    rows = DeadLetter.objects.filter(receiver_domain__in=domains).exclude(receiver_domain="")
    return rows.order_by("-pk").values_list("receiver_domain", flat=True).first() or ""


def _whole_list(term: Term) -> str:
    """Returns the address of the list of all dead letters of a domain."""
    return page_url("dlq_deadletter_changelist", domain=term.domain, state="all") if term.domain else ""


def _page(request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
    every = {**admin.site.each_context(request), "title": "Find", **context}
    request.current_app = admin.site.name
    return mark_when_rendered(TemplateResponse(request, "dlq/find.html", every))


def _keep(request: HttpRequest, typed: str, far: FarLook | None) -> str:
    """Keeps in the session what was typed and what the far look found, beside the last few searches.

    Returns the token that stands for it in the URL.
    """
    token, until = token_urlsafe(12), time() - KEPT_SECONDS
    young = [(of, each) for of, each in request.session.get(SEARCHES, {}).items() if each[1] > until]
    kept = dict(young[-(KEPT - 1) :])
    request.session[SEARCHES] = {**kept, token: [typed, int(time()), msgspec.to_builtins(far)]}
    return token


def _kept(request: HttpRequest, token: str) -> tuple[Term, FarLook | None] | None:
    typed, at, far = request.session.get(SEARCHES, {}).get(token, ("", 0, None))
    if at <= time() - KEPT_SECONDS:
        return None
    return Term(typed), msgspec.convert(far, FarLook | None)
