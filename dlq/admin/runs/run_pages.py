"""The pages of runs: the list, one run while it goes on and afterwards, and its verbs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from dlq.admin.choosing import selecting
from dlq.admin.runs import run_question
from dlq.admin.runs.run_progress import figures, state_in_words
from dlq.models import Run
from dlq.runs import steering as runs
from dlq.runs.steering import NotBegun, NotInState
from dlq.selection import from_json
from notifications.models import Job
from project.desk.audit import LONGEST_TEXT, printed
from project.desk.base import Context, ReadOnlyAdmin, column, confirmation, time_column
from project.desk.marks import mark_when_rendered
from project.desk.rights import Right, may, may_any, most_replayed, need
from project.desk.sight import Sight, sight_of
from project.desk.unfold import Textarea

LABELS = {"running": "info", "paused": "warning", "asked": "warning", "done": "success", "stopped": "", "refused": ""}
RIGHTS = (Right.REPLAY, Right.REPLAY_MANY, Right.APPROVE)


class WhyForm(forms.Form):
    reason = forms.CharField(
        max_length=LONGEST_TEXT,
        required=False,
        widget=Textarea({"rows": 3}),
        label="Why?",
        help_text="Kept in the record, under your name.",
    )


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb of a run. Where it explains something, its page asks before it acts."""

    name: str
    do: Callable[..., Run]
    states: tuple[Run.State, ...]
    done: str
    explain: str = ""
    asks_why: bool = False
    danger: bool = False


VERBS = {
    "approve": Verb(
        "Approve",
        runs.approve,
        (Run.State.ASKED,),
        "begins",
        "It begins at once, and goes on by itself where its first letters arrive.",
        asks_why=True,
    ),
    "refuse": Verb(
        "Refuse",
        runs.refuse,
        (Run.State.ASKED,),
        "is refused",
        "Its letters stay as they are.",
        asks_why=True,
        danger=True,
    ),
    "pause": Verb("Pause", runs.pause, (Run.State.RUNNING,), "is paused"),
    "resume": Verb("Resume", runs.resume, (Run.State.PAUSED, Run.State.RUNNING), "goes on"),
    "stop": Verb(
        "Stop",
        runs.stop,
        (Run.State.RUNNING, Run.State.PAUSED),
        "is stopped",
        "What it has not sent is open again. What is on its way to the provider goes on. It cannot be resumed.",
        danger=True,
    ),
}


def allowed(request: HttpRequest, run: Run, name: str) -> bool:
    """Returns True where this person may use the verb of this run."""
    if name in ("approve", "refuse"):
        own = run.actor == request.user.get_username()
        return own if name == "refuse" and own else may(request, Right.APPROVE) and not own
    if name == "resume":
        going = max(run.going, 1)
        return most_replayed(request, going) >= going
    return may(request, Right.REPLAY) or may(request, Right.REPLAY_MANY)


number = column("run", lambda run: f"#{run.pk}")
which = column("letters", lambda run: _seen(run, vars(run)["which"]))
reason = column("reason", lambda run: _seen(run, run.reason))
state = column("state", lambda run: run.state, labels=LABELS)
numbers = column("sent, died again, to come", lambda run: f"{run.sent:,}, {run.died_again:,}, {run.to_come:,}")


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin[Run]):
    list_display = (number, time_column("created_at", "asked"), "actor", which, state, numbers, reason)
    list_display_links = (number,)
    what_is_here = "A run sends many letters again. It begins on the page of a problem, or above the list of letters."
    ordering = ("-id",)
    sortable_by = ()

    def rows_of_page(self, request: HttpRequest, rows: QuerySet[Run]) -> list[Run]:
        sight, found = sight_of(request), list(rows)
        selections = [from_json(run.selection) for run in found]
        problems = selecting.problems_in_words(selections)
        for run, selection in zip(found, selections, strict=True):
            vars(run).update(sight=sight, which=selecting.in_words(selection, problems))
        return found

    def has_view_permission(self, request: HttpRequest, obj: Run | None = None) -> bool:
        return super().has_view_permission(request, obj) or may_any(request, RIGHTS)

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("ask/", guard(self.ask_view), name="dlq_run_ask"),
            path("<int:run_id>/progress/", guard(self.progress_view), name="dlq_run_progress"),
            path("<int:run_id>/do/<str:name>/", guard(self.verb_view), name="dlq_run_verb"),
            *super().get_urls(),
        ]

    def ask_view(self, request: HttpRequest) -> HttpResponse:
        """Shows the question, also by POST, because what was searched for may stand in no URL. `begin` acts."""
        if not may_any(request, (Right.REPLAY, Right.REPLAY_MANY)):
            need(request, Right.REPLAY)
        try:
            selection = selecting.chosen(request)
            selecting.check(request)
        except selecting.NotReadable:
            messages.warning(request, "This question cannot be answered any more: choose the letters again.")
            return HttpResponseRedirect(reverse(run_question.LIST))
        if request.method == "POST" and "confirm" in request.POST:
            return run_question.begin(self, request, selection)
        return run_question.ask(self, request, selection)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        """Shows the run. Its verbs have addresses of their own."""
        run = self.get_object(request, object_id)
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        if run is None:
            messages.warning(request, f"There is no run {object_id[:20]}.")
            return HttpResponseRedirect(reverse("admin:dlq_run_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": run,
            "title": f"Run {run.pk}",
            "verbs": self._verbs(request, run),
            "facts": _facts(run, sight_of(request)),
            **_figures(request, run),
        }
        return mark_when_rendered(TemplateResponse(request, "dlq/run.html", context))

    def progress_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Returns the part of the page that changes."""
        run = Run.objects.filter(pk=run_id).first()
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        if run is None:
            raise Http404
        return mark_when_rendered(TemplateResponse(request, "dlq/run_progress.html", _figures(request, run)))

    def verb_view(self, request: HttpRequest, run_id: int, name: str) -> HttpResponse:
        """Asks where the verb has something to explain, and acts by POST."""
        run = Run.objects.filter(pk=run_id).first()
        if run is None or name not in VERBS:
            raise Http404
        if not allowed(request, run, name):
            raise PermissionDenied
        page = reverse("admin:dlq_run_change", args=[run_id])
        verb = VERBS[name]
        form = WhyForm(request.POST if request.method == "POST" else None) if verb.asks_why else None
        if request.method == "POST" and (form is None or form.is_valid()):
            given = {"reason": form.cleaned_data["reason"]} if form else {}
            try:
                verb.do(run_id, request.user.get_username(), **given)
                messages.success(request, f"Run {run_id} {verb.done}.")
            except (NotInState, NotBegun) as why:
                messages.warning(request, str(why))
            return HttpResponseRedirect(page)
        return confirmation(
            self,
            request,
            title=f"{verb.name} run {run_id}?",
            sentences=filter(None, [verb.explain]),
            facts=_facts(run, sight_of(request)),
            form=form,
            button=verb.name,
            danger=verb.danger,
            original=run,
            cancel=page,
        )

    def _verbs(self, request: HttpRequest, run: Run) -> list[tuple[str, Verb]]:
        """Returns the verbs that the run's state allows, and this person may use."""
        if run.ended_at is not None:
            return []
        asleep = Job.objects.filter(pk=run.job_id or 0).exclude(state__in=(Job.State.WAITING, Job.State.RUNNING))
        found = {name: verb for name, verb in VERBS.items() if run.state in verb.states and allowed(request, run, name)}
        if run.state == Run.State.RUNNING and not asleep.exists():
            found.pop("resume", None)
        return list(found.items())


def _seen(run: Run, words: str) -> str:
    """Returns the words of a list without addresses, where the person of this page may not see receivers."""
    sight: Sight = vars(run)["sight"]
    return sight.answer(words)


def _figures(request: HttpRequest, run: Run) -> Context:
    found = figures(run)
    return found | {"sentence": sight_of(request).answer(found["sentence"])}


def _facts(run: Run, sight: Sight) -> list[tuple[str, str]]:
    """Returns the facts, without addresses for whoever may not see receivers: a reason or a user can be one."""
    rate = f"{run.per_second:,} a second for each provider" if run.per_second else "as fast as it goes"
    facts = [
        ("State", state_in_words(run)),
        ("Letters", selecting.in_words(from_json(run.selection))),
        ("Asked for by", f"{run.actor} at {printed(run.created_at)}"),
        ("Why", run.reason),
        ("Approved by", run.approved_by),
        ("Speed", rate),
        ("New expiry of what had expired", printed(run.expires_at, none="")),
        ("Ended", printed(run.ended_at, none="")),
    ]
    return [(name, sight.answer(value)) for name, value in facts if value]
