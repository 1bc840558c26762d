"""Long work as staff see it: how far each job is, and three verbs, "pause", "resume" and "cancel"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from notifications.models import Job
from notifications.scheduling.job_rows import VERBS, change
from project.desk.audit import printed
from project.desk.base import Context, ReadOnlyAdmin, column, confirmation, time_column
from project.desk.filters import word_filter

STATE_LABELS = {"done": "success", "running": "info", "waiting": "info", "paused": "warning", "failed": "danger"}


@dataclass(frozen=True, slots=True)
class Verb:
    """What the page of a verb asks and explains, and the word of what was done."""

    name: str
    explain: str
    done: str
    danger: bool = False


PAGES = {
    "pause": Verb("Pause", "A step that is under way ends first. Nothing more is done until it is resumed.", "paused"),
    "resume": Verb("Resume", "It goes on where it stopped; a step that failed is tried again.", "resumed"),
    "cancel": Verb("Cancel", "What is done stays done, and the rest is left. It cannot be resumed.", "cancelled", True),
}


def progress(job: Job) -> str:
    """Returns such as "1,200 of 3,000 (40 %)"; the total was counted when the job began."""
    if job.total is None:
        return f"{job.done:,}" if job.started_at else "–"
    return f"{job.done:,} of {job.total:,}" + (f" ({min(100 * job.done // job.total, 100)} %)" if job.total else "")


def counts(job: Job) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in job.counts.items()) or "–"


def verbs_of(job: Job) -> list[str]:
    """Returns the verbs that the job's state allows."""
    return [verb for verb, (states, _) in VERBS.items() if job.state in states]


state = column("state", lambda job: job.state, labels=STATE_LABELS)
far = column("progress", progress)
who = column("who", lambda job: job.actor)
created = time_column("created_at", "made")
ended = time_column("ended_at", "ended")


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin[Job]):
    list_display = (created, "kind", state, far, who, ended, "error")
    list_display_links = (created,)
    list_filter = (word_filter("state", lambda: list(Job.State.choices)),)
    ordering = ("-id",)
    sortable_by = ()
    change_form_outer_before_template = "desk/job_verbs.html"

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        times = (created, time_column("started_at", "begun"), time_column("due_at", "next step due"), ended)
        done = (far, column("what was done", counts), "rate", "failures", "error")
        return ("kind", state, *done, who, *times, "parameters", "cursor", "owner")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.get_fields(request, obj)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.verb_view)
        return [path("<int:job_id>/do/<str:name>/", view, name="notifications_job_verb"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        job = self.get_object(request, object_id)
        allowed = [(verb, PAGES[verb]) for verb in verbs_of(job)] if job and self.has_act_permission(request) else []
        return super().change_view(request, object_id, form_url, {"verbs": allowed, **(extra_context or {})})

    def verb_view(self, request: HttpRequest, job_id: int, name: str) -> HttpResponse:
        """GET asks, POST does. Raises Http404 for another verb, PermissionDenied."""
        if name not in PAGES:
            raise Http404
        if not self.has_act_permission(request):
            raise PermissionDenied
        page = reverse("admin:notifications_job_change", args=[job_id])
        job = Job.objects.filter(pk=job_id).first()
        if request.method == "POST":
            if job is not None and change(name, [job_id], request.user.get_username()):
                messages.success(request, f"Job {job_id} is {PAGES[name].done}.")
                return HttpResponseRedirect(page)
        elif job is not None and name in verbs_of(job):
            return self._ask(request, job, PAGES[name], page)
        now = f"it is {job.state}" if job else "there is no such job"
        messages.warning(request, f"Job {job_id} cannot be {PAGES[name].done}: {now}.")
        return HttpResponseRedirect(page if job else reverse("admin:notifications_job_changelist"))

    def _ask(self, request: HttpRequest, job: Job, verb: Verb, page: str) -> HttpResponse:
        facts = [
            ("Kind", job.kind),
            ("State", job.state),
            ("Progress", progress(job)),
            ("Made", printed(job.created_at)),
        ]
        return confirmation(
            self,
            request,
            title=f"{verb.name} job {job.pk}?",
            sentences=[verb.explain],
            facts=facts,
            button=verb.name,
            danger=verb.danger,
            original=job,
            cancel=page,
        )
