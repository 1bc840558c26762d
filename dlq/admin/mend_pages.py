"""The pages that correct many letters at once: what is corrected, what that would do, and how far it is."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

import msgspec
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse

from dlq import corrections
from dlq.admin.letter_filters import number, selection_of
from dlq.admin.mend_forms import CorrectionForm, MendForm, as_text, kind_in, selection_in
from dlq.admin.verb_pages import LIST
from dlq.corrections import Correction, Kind
from dlq.frequent import mistyped_domains
from dlq.mended_devices import devices_of
from dlq.mending import (
    DUPLICATE_DAYS,
    MOST_LETTERS,
    MOST_LOOKED_AT,
    Fate,
    Sorted,
    find,
    sort_out,
)
from dlq.mending_job import begin
from dlq.models import DeadLetter, Mending
from dlq.selection import Selection
from notifications.models import Job
from project.database.dialects import bounded_reading
from project.desk.audit import printed
from project.desk.base import ReadOnlyAdmin, ids_of
from project.desk.rights import Right, need
from project.desk.sight import Sight, sight_of

MEND_RIGHTS = (Right.MEND_MANY, Right.REDIRECT)
SHOWN = 20  # letters of each list
Desk = ReadOnlyAdmin[DeadLetter]


def mend_page(desk: Desk, request: HttpRequest, selection: Selection) -> HttpResponse:
    """Asks what is corrected, shows what that would do, and begins it. Only the last of these writes anything.

    `selection` is that of a GET; a form brings its own. Raises PermissionDenied.
    """
    need(request, *MEND_RIGHTS)
    if request.method != "POST":
        given = request.GET if "old" in request.GET else None
        return _asked(desk, request, selection, CorrectionForm(Kind.DOMAIN, given))
    posted = selection_in(request.POST)
    if posted is None:
        messages.warning(request, "These letters cannot be found again: choose them anew.")
        return HttpResponseRedirect(reverse(LIST))
    if "change" in request.POST:
        return _asked(desk, request, posted, CorrectionForm(kind_in(request.POST)))
    form = CorrectionForm(kind_in(request.POST), request.POST)
    if "confirm" in request.POST and form.is_valid():
        return _confirmed(desk, request, posted, form.correction)
    return _asked(desk, request, posted, form)


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
        "selection": as_text(selection.as_json()),
        "which": which(selection, whole=sight_of(request).receivers),
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
        "which": which(selection, whole=sight.receivers),
        "selection": as_text(selection.as_json()),
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
    return HttpResponseRedirect(reverse("admin:dlq_mending", args=[made.pk]))


def mending_page(desk: Desk, request: HttpRequest, mending_id: int) -> HttpResponse:
    """Shows how far a correction is, what it did, and what it left out. Its end leads to a run of its letters."""
    mending = Mending.objects.filter(pk=mending_id).first()
    if mending is None:
        messages.warning(request, f"There is no correction {mending_id}.")
        return HttpResponseRedirect(reverse(LIST))
    job = Job.objects.filter(pk=mending.job_id or 0).first()
    ended = job is None or job.state in (Job.State.DONE, Job.State.CANCELLED)
    correction = corrections.from_json(mending.correction)
    context = {
        "title": f"Correction {mending.pk}",
        "mending": mending,
        "words": correction.in_words(whole=sight_of(request).receivers),
        "job": job,
        "ended": ended,
        "handled": mending.corrected + sum(mending.left_out.values()),
        "left_out": [(count, Fate(fate).in_words) for fate, count in mending.left_out.items()],
        "run": _run_page(mending) if ended and mending.corrected else "",
        "made": printed(mending.created_at),
        "job_page": reverse("admin:notifications_job_change", args=[job.pk]) if job and _may_see_jobs(request) else "",
        "letters": reverse(LIST),
    }
    return _page(desk, request, "dlq/mending.html", context)


def _may_see_jobs(request: HttpRequest) -> bool:
    return request.user.has_perm("notifications.view_job")


def _run_page(mending: Mending) -> str:
    """Returns the address of the question for a run over these letters, or "" where a site has no runs."""
    try:
        return f"{reverse('admin:dlq_run_ask')}?mending={mending.pk}"
    except NoReverseMatch:
        return ""


def chosen_letters(request: HttpRequest) -> Selection:
    """Returns which open letters an address asks about: `ids`, or the filters of the list, such as `problem`."""
    chosen = selection_of(request)
    ids = ids_of(request, number)
    return msgspec.structs.replace(chosen, state=DeadLetter.State.OPEN.value, ids=chosen.ids or tuple(ids))


def which(selection: Selection, *, whole: bool) -> str:
    """Returns in words which open letters are meant. What was searched for may be a receiver: shown as a `whole`."""
    if selection.ids:
        return f"{_letters(len(selection.ids))} that you chose"
    words = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in selection.as_json().items()
        if name not in ("state", "ids", "term")
    ]
    if selection.term:
        words.append(f"found by “{selection.term if whole else '…'}”")
    return f"open letters: {', '.join(words)}" if words else "all open letters"


def _letters(count: int) -> str:
    return "1 letter" if count == 1 else f"{count:,} letters"


def _page(desk: Desk, request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    request.current_app = desk.admin_site.name
    return TemplateResponse(request, template, {**desk.admin_site.each_context(request), "opts": desk.opts, **context})
