"""The page of one correction of many letters: how far it is, what it did, and the way to a run of its letters."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from dlq import selection
from dlq.admin.choosing import selecting
from dlq.admin.verbs.verb_pages import LIST
from dlq.mending import corrections
from dlq.mending.candidates import Fate
from dlq.models import DeadLetter, Mending
from notifications.models import Job
from project.desk.audit import printed
from project.desk.base import ReadOnlyAdmin
from project.desk.marks import mark_when_rendered
from project.desk.rights import Right, may_any
from project.desk.sight import sight_of

OVER = (Job.State.DONE, Job.State.CANCELLED)
TROUBLE = {
    Job.State.PAUSED: "It is paused.",
    Job.State.FAILED: "It stopped with an error. Whoever looks after the jobs can resume it.",
}


def mending_page(desk: ReadOnlyAdmin[DeadLetter], request: HttpRequest, mending_id: int) -> HttpResponse:
    """Shows the correction. Whoever may replay is led on to a run of its letters."""
    mending = Mending.objects.filter(pk=mending_id).first()
    if mending is None:
        messages.warning(request, f"There is no correction {mending_id}.")
        return HttpResponseRedirect(reverse(LIST))
    figures = figures_of(mending)
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "title": f"Correction {mending.pk}",
        "facts": _facts(request, mending),
        "run": _run_page(request, mending) if figures["over"] and mending.corrected else "",
        "job_page": _job_page(request, mending),
        "letters": f"{reverse(LIST)}?mending={mending.pk}",
        **figures,
    }
    request.current_app = desk.admin_site.name
    return mark_when_rendered(TemplateResponse(request, "dlq/mending.html", context))


def mending_progress(request: HttpRequest, mending_id: int) -> HttpResponse:
    """Returns the part of the page that changes."""
    mending = Mending.objects.filter(pk=mending_id).first()
    if mending is None:
        raise Http404
    return mark_when_rendered(TemplateResponse(request, "dlq/mending_progress.html", figures_of(mending)))


def figures_of(mending: Mending) -> dict[str, Any]:
    """Returns what the page shows of how far the correction is."""
    state = Job.objects.filter(pk=mending.job_id or 0).values_list("state", flat=True).first()
    return {
        "mending": mending,
        "state": state or Job.State.DONE,
        "over": state is None or state in OVER,
        "trouble": TROUBLE.get(Job.State(state)) if state else "",
        "done": mending.corrected + sum(mending.left_out.values()),
        "left_out": [(count, Fate(fate).in_words) for fate, count in mending.left_out.items()],
    }


def _facts(request: HttpRequest, mending: Mending) -> list[tuple[str, str]]:
    sight = sight_of(request)
    words = corrections.from_json(mending.correction).in_words(whole=sight.receivers)
    chosen = [name for name in ("devices", "duplicates") if getattr(mending, name)]
    facts = [
        ("What is corrected", words),
        ("Letters", selecting.in_words(selection.from_json(mending.selection))),
        ("Asked for by", f"{mending.actor} at {printed(mending.created_at)}"),
        ("Why", mending.reason),
        ("Also", " and ".join(chosen)),
        ("Ended", printed(mending.ended_at, none="")),
    ]
    return [(name, sight.answer(value)) for name, value in facts if value]


def _run_page(request: HttpRequest, mending: Mending) -> str:
    """Returns the address of the question for a run over these letters, for whoever may replay."""
    may_replay = may_any(request, (Right.REPLAY, Right.REPLAY_MANY))
    return f"{reverse('admin:dlq_run_ask')}?mending={mending.pk}" if may_replay else ""


def _job_page(request: HttpRequest, mending: Mending) -> str:
    seen = mending.job_id and request.user.has_perm("notifications.view_job")
    return reverse("admin:notifications_job_change", args=[mending.job_id]) if seen else ""
