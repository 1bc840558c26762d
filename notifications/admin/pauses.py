"""What is paused by hand, and was: pause, resume, and the read-only mode of the whole platform."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from notifications.ledger.pauses import verbs
from notifications.ledger.pauses.lasting import read_lasting
from notifications.ledger.pauses.targets import PLATFORM, Target, UnknownTarget, read_target
from notifications.messages.words import PauseKind
from notifications.models import Pause
from project.desk.audit import printed
from project.desk.base import Context, ReadOnlyAdmin, column, confirmation, time_column
from project.desk.rights import Right, need, rights_of
from project.desk.unfold import Textarea, TextInput

LIST = "admin:notifications_pause_changelist"
WAITS = (
    "Notifications are accepted and wait; none is lost, and none spends a try. What is with a provider already ends. "
    "What expires meanwhile is not sent."
)
STATES = {"in force": "warning"}


class LastingField(forms.CharField):
    """A time such as 1h; nothing is until somebody ends it."""

    def clean(self, value: Any) -> timedelta | None:
        text = super().clean(value)
        try:
            return read_lasting(text) if text else None
        except ValueError as error:
            raise forms.ValidationError(f"It {error}") from None


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=verbs.LONGEST_REASON,
        widget=Textarea({"rows": 2}),
        label="Why?",
        help_text="Shown to everybody at the desk, under your name.",
    )


class ReadOnlyForm(ReasonForm):
    lasts = LastingField(
        label="For how long?",
        required=False,
        max_length=10,
        widget=TextInput(),
        help_text="Such as 30m, 1h or 2d. Empty: until somebody ends it.",
    )


class PauseForm(ReadOnlyForm):
    what = forms.CharField(
        label="What?",
        max_length=120,
        widget=TextInput(),
        help_text="EMAIL or another channel, provider:NAME, category:NAME or client:NAME.",
    )
    field_order = ("what", "lasts", "reason")

    def clean_what(self) -> Target:
        try:
            return read_target(self.cleaned_data["what"].strip())
        except UnknownTarget as error:
            raise forms.ValidationError(str(error)) from None


def state_of(pause: Pause) -> str:
    """Returns "in force", or how it ended."""
    if pause.ended_at is not None:
        return f"ended by {pause.ended_by}" if pause.ended_by else "over"
    return "over" if pause.until and pause.until <= timezone.now() else "in force"


what = column("what", lambda row: row.in_words)
state = column("state", state_of, labels=STATES)
began, until = time_column("began_at", "from"), column("until", lambda row: printed(row.ended_at or row.until))


@admin.register(Pause)
class PauseAdmin(ReadOnlyAdmin[Pause]):
    list_display = (began, what, state, until, "actor", "reason")
    list_display_links = (began,)
    fields: ClassVar[Any] = (
        what,
        "kind",
        "name",
        state,
        began,
        time_column("until", "planned until"),
        until,
        "actor",
        "reason",
    )
    readonly_fields: ClassVar[Any] = fields
    sortable_by = ()
    what_is_here = "What staff have paused by hand is listed here, and when it ended."
    list_before_template = "desk/pauses_before.html"
    change_form_outer_before_template = "desk/pause_verbs.html"

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("pause/", guard(self.pause_view), name="notifications_pause_begin"),
            path("read-only/", guard(self.read_only_view), name="notifications_pause_read_only"),
            path("read-only/end/", guard(self.end_read_only_view), name="notifications_pause_end_read_only"),
            path("<int:pause_id>/resume/", guard(self.resume_view), name="notifications_pause_resume"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        is_read_only = Pause.objects.in_force().filter(kind=PauseKind.PLATFORM).exists()
        context = {"may": rights_of(request), "is_read_only": is_read_only, **(extra_context or {})}
        return super().changelist_view(request, context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        pause = self.get_object(request, object_id)
        in_force = pause is not None and state_of(pause) == "in force"
        context = {"may": rights_of(request), "in_force": in_force, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST pauses. Raises PermissionDenied."""
        need(request, Right.PAUSE)
        form = PauseForm(request.POST if request.method == "POST" else None, initial=request.GET.dict())
        if form.is_valid():
            made = self._pause(request, form.cleaned_data["what"], form)
            return self._done(request, f"{made.in_words} is paused{_until(made)}.")
        return confirmation(
            self,
            request,
            form=form,
            title="Pause by hand",
            button="Pause",
            sentences=[WAITS, "Senders follow within two seconds."],
        )

    def read_only_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST makes the platform read-only. Raises PermissionDenied."""
        need(request, Right.MAINTAIN)
        form = ReadOnlyForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            made = self._pause(request, PLATFORM, form)
            return self._done(request, f"The platform is read-only{_until(made)}.")
        sentences = [
            "For maintenance. Callers get a 503 with a time to come back. What they do not repeat is not sent.",
            "Senders and schedulers move no rows, and the admin changes nothing but this.",
        ]
        return confirmation(
            self,
            request,
            form=form,
            title="Make the platform read-only?",
            button="Make read-only",
            sentences=sentences,
            danger=True,
        )

    def end_read_only_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST ends the read-only mode. Raises PermissionDenied."""
        need(request, Right.MAINTAIN)
        return self._resume(request, PLATFORM, "End the read-only mode?", "The platform takes notifications and sends.")

    def resume_view(self, request: HttpRequest, pause_id: int) -> HttpResponse:
        """GET asks, POST resumes. Raises Http404, PermissionDenied."""
        need(request, Right.PAUSE)
        pause = Pause.objects.filter(pk=pause_id).exclude(kind=PauseKind.PLATFORM).first()
        if pause is None:
            raise Http404
        target = Target(PauseKind(pause.kind), pause.name)
        return self._resume(request, target, f"Resume {target}?", f"{pause.in_words} is resumed.")

    def _pause(self, request: HttpRequest, target: Target, form: ReadOnlyForm) -> Pause:
        given = form.cleaned_data
        actor = request.user.get_username()
        return verbs.pause(target, actor=actor, reason=given["reason"], lasts=given["lasts"])

    def _resume(self, request: HttpRequest, target: Target, title: str, done: str) -> HttpResponse:
        form = ReasonForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            try:
                verbs.resume(target, actor=request.user.get_username(), reason=form.cleaned_data["reason"])
            except verbs.NotPaused as error:
                return self._done(request, f"Nothing was changed: {error}", messages.WARNING)
            return self._done(request, done)
        sentences = ["What waits for it goes at once, in order for each receiver."]
        return confirmation(
            self,
            request,
            form=form,
            title=title,
            button="Resume" if target != PLATFORM else "End it",
            sentences=sentences,
            cancel=reverse(LIST),
        )

    def _done(self, request: HttpRequest, sentence: str, level: int = messages.SUCCESS) -> HttpResponse:
        messages.add_message(request, level, sentence)
        return HttpResponseRedirect(reverse(LIST))


def _until(pause: Pause) -> str:
    return f" until {printed(pause.until)}" if pause.until else ", until somebody ends it"
