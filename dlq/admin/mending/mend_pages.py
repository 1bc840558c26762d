"""The question before many letters are corrected: what is corrected, and what that would do."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from dlq.admin.choosing import selecting
from dlq.admin.mending.mend_forms import CorrectionForm, MendForm, kind_in
from dlq.admin.verbs.verb_pages import LIST
from dlq.mending.candidates import DUPLICATE_DAYS, MOST_LETTERS, MOST_LOOKED_AT, Fate, Sorted, find, sort_out
from dlq.mending.corrections import Correction, Kind
from dlq.mending.devices import devices_of
from dlq.mending.frequent import mistyped_domains
from dlq.mending.job import begin
from dlq.models import DeadLetter, Mending
from dlq.selection import Selection
from project.database.dialects import bounded_reading
from project.desk.base import ReadOnlyAdmin
from project.desk.rights import Right, need
from project.desk.sight import Sight, sight_of

MEND_RIGHTS = (Right.MEND_MANY, Right.REDIRECT)
SHOWN = 20  # letters of each list
Desk = ReadOnlyAdmin[DeadLetter]


def mend_page(desk: Desk, request: HttpRequest) -> HttpResponse:
    """Asks what is corrected, shows what that would do, and begins it. Only the last of these writes anything.

    A GET names the letters as the list does, and may name a domain to be corrected. Raises PermissionDenied.
    """
    need(request, *MEND_RIGHTS)
    try:
        selection = _chosen(request)
    except selecting.NotReadable:
        messages.warning(request, "These letters cannot be found again: choose them anew.")
        return HttpResponseRedirect(reverse(LIST))
    given = request.POST if request.method == "POST" else request.GET
    if "old" not in given or "change" in given:
        return _asked(desk, request, selection, CorrectionForm(Kind.DOMAIN))
    form = CorrectionForm(kind_in(given), given)
    if request.method != "POST" and form.kind is not Kind.DOMAIN:  # what is typed for others may be a receiver
        return _asked(desk, request, selection, CorrectionForm(Kind.DOMAIN))
    if "confirm" in request.POST and form.is_valid():
        return _confirmed(desk, request, selection, form.correction)
    return _asked(desk, request, selection, form)


def _chosen(request: HttpRequest) -> Selection:
    """Returns the letters, which a form must name. Raises selecting.NotReadable."""
    if request.method == "POST" and not request.POST.get("selection"):
        raise selecting.NotReadable
    selecting.check(request, "kind", "old", "new")
    return selecting.chosen(request)


def ask_about(desk: Desk, request: HttpRequest, selection: Selection) -> HttpResponse:
    """Asks what is corrected in these letters, whatever the request was. Raises PermissionDenied."""
    need(request, *MEND_RIGHTS)
    return _asked(desk, request, selection, CorrectionForm(Kind.DOMAIN))


def _asked(desk: Desk, request: HttpRequest, selection: Selection, form: CorrectionForm) -> HttpResponse:
    if form.is_bound and form.is_valid():
        return _preview(desk, request, selection, form.correction, MendForm(initial={"key": token_hex(16)}))
    forms = [form if kind is form.kind else CorrectionForm(kind) for kind in Kind]
    with bounded_reading():
        mistyped = mistyped_domains(selection)
    context = {
        "title": "Correct many letters",
        "selection": selecting.signed(selection),
        "which": selecting.in_words(selection),
        "mistyped": mistyped,
        "forms": forms,
        "most": MOST_LETTERS,
        "cancel": reverse(LIST),
    }
    return _page(desk, request, "dlq/mend_ask.html", context)


def _preview(
    desk: Desk, request: HttpRequest, selection: Selection, correction: Correction, form: MendForm
) -> HttpResponse:
    with bounded_reading():
        found, more = find(selection, correction)
        result = sort_out(found)
        devices = devices_of(result.people)
    sight = sight_of(request)
    context = {
        "title": f"Correct {_letters(len(result.by_fate[Fate.CORRECTED]))}?",
        "correction": correction,
        "words": correction.in_words(whole=sight.receivers),
        "which": selecting.in_words(selection),
        "selection": selecting.signed(selection),
        "found": len(found),
        "more": more,
        "most": MOST_LETTERS,
        "most_looked_at": MOST_LOOKED_AT,
        "devices": devices,
        "days": DUPLICATE_DAYS,
        "form": form,
        "possible": bool(result.people),
        "again": reverse("admin:dlq_mend_ask"),
        "cancel": reverse(LIST),
        **{fate.value: _shown(result, fate, sight) for fate in Fate},
    }
    return _page(desk, request, "dlq/mend_preview.html", context)


def _shown(result: Sorted, fate: Fate, sight: Sight) -> dict[str, Any]:
    """Returns how many letters come to this end, and the first of them, as their receivers may be shown."""
    letters = result.by_fate[fate]
    lines = [
        (
            each.letter,
            sight.address(each.channel, each.before),
            sight.address(each.channel, each.after),
            result.refusals.get(each.letter, ""),
        )
        for each in letters[:SHOWN]
    ]
    return {"count": len(letters), "lines": lines, "people": len({each.after for each in letters})}


def _confirmed(desk: Desk, request: HttpRequest, selection: Selection, correction: Correction) -> HttpResponse:
    form = MendForm(request.POST)
    if not form.is_valid():
        return _preview(desk, request, selection, correction, form)
    with bounded_reading():
        found, _ = find(selection, correction)
    if not found:
        messages.warning(request, "No open letter is left that this would correct: somebody else was first.")
        return HttpResponseRedirect(reverse(LIST))
    given = form.cleaned_data
    mending = Mending(
        actor=request.user.get_username(),
        selection=selection.as_json(),
        correction=correction.as_json(),
        last_letter=found[-1].letter,
        asked=len(found),
        **{name: given[name] for name in ("key", "reason", "devices", "duplicates")},
    )
    words = f"{correction.in_words(whole=False)} in {_letters(len(found))}"
    also = [name for name in ("devices", "duplicates") if given[name]]
    made = begin(mending, words=f"{words}, with {' and '.join(also)}" if also else words)
    return HttpResponseRedirect(reverse("admin:dlq_mending_change", args=[made.pk]))


def _letters(count: int) -> str:
    return "1 letter" if count == 1 else f"{count:,} letters"


def _page(desk: Desk, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = desk.admin_site.name
    return TemplateResponse(request, template, {**desk.admin_site.each_context(request), "opts": desk.opts, **context})
