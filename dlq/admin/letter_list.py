"""The list of dead letters, and the addresses of its case files and verbs."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from dlq.admin import case_file, verb_pages
from dlq.admin.repair_page import repair_page
from dlq.models import DeadLetter
from notifications.channels import channel_choices
from notifications.channels.outcomes import Cause
from project.database.word_field import choices_of
from project.desk.audit import MOST_AT_ONCE
from project.desk.base import Context, ReadOnlyAdmin, column, ids_of, is_list, time_column
from project.desk.filters import TimeRange, WordFilter, word_filter
from project.desk.marks import mark_when_rendered
from project.desk.search import HELP, ExactSearch, first_matches, notification_matches

STATE_LABELS = {"open": "danger", "replaying": "info", "resolved": "success"}
LONGEST_NUMBER = 18  # digits of a bigint that surely fits


class StateFilter(WordFilter):
    """Shows open letters, unless another state is chosen or something is searched."""

    title = "state"
    parameter_name = "state"
    field = "state"
    all_option = None

    @staticmethod
    def words() -> list[tuple[str, str]]:
        closed = [(value, label) for value, label in DeadLetter.State.choices if value != "open"]
        return [("", "Open"), *closed, ("all", "All")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        state = self.value() or ("all" if request.GET.get("q", "").strip() else "open")
        if state == "all":
            return queryset
        return queryset.filter(state=state) if state in DeadLetter.State.values else queryset.none()


def _filters(request: HttpRequest) -> str:
    """Returns the filters of the list as a query string, without the page."""
    chosen = request.GET.copy()
    chosen.pop(PAGE_VAR, None)
    return chosen.urlencode()


def _matching(request: HttpRequest) -> bool:
    """Returns True for a request about all letters that match the filters."""
    match = request.resolver_match
    return match is not None and match.url_name == "dlq_deadletter_matching"


def _number(term: str) -> int | None:
    digits = term.strip().removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_NUMBER else None


def _error(letter: DeadLetter) -> str:
    return letter.error if len(letter.error) <= 80 else f"{letter.error[:80]}…"


number = column("letter", lambda letter: f"#{letter.pk}")
state = column("state", lambda letter: letter.state, labels=STATE_LABELS)
receiver = column("receiver", lambda row: row.notification.masked_receiver if row.notification else "not readable")
error = column("error", _error)


@admin.register(DeadLetter)
class DeadLetterAdmin(ExactSearch[DeadLetter], ReadOnlyAdmin[DeadLetter]):
    list_display = (
        *(number, time_column("died_at", "died"), "channel", receiver),
        *("cause", error, "attempts", state),
    )
    list_display_links = (number,)
    list_select_related = ("notification",)
    list_filter = (
        StateFilter,
        word_filter("channel", channel_choices),
        word_filter("cause", partial(choices_of, Cause)),
        ("died_at", TimeRange),
    )
    list_before_template = "dlq/list_before.html"
    search_fields = ("id",)
    search_help_text = f"{HELP}, #letter"
    ordering = ("-id",)
    sortable_by = ()
    actions = ("replay_selected", "discard_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Returns the rows without the columns that can be large, where a list is shown: raw bytes and texts."""
        queryset = super().get_queryset(request)
        if _matching(request):  # before the search is bounded, so that the bound never hides an open letter
            queryset = queryset.filter(state=DeadLetter.State.OPEN)
        return queryset.defer("raw", "notification__message", "notification__html") if is_list(request) else queryset

    def get_ordering(self, request: HttpRequest) -> tuple[str]:
        return ("id",) if _matching(request) else ("-id",)

    def find(self, queryset: QuerySet[DeadLetter], term: str, most: int) -> QuerySet[DeadLetter]:
        matches = [*notification_matches(term, "notification__")]
        if letter_id := _number(term):
            matches.append(Q(pk=letter_id))
        return first_matches(queryset, matches, most)

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("verb/<str:name>/", guard(self.verb_view), name="dlq_deadletter_verb"),
            path("matching/<str:name>/", guard(self.matching_view), name="dlq_deadletter_matching"),
            path("<int:letter_id>/repair/", guard(self.repair_view), name="dlq_deadletter_repair"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        more = {"may_act": self.has_act_permission(request), "query": _filters(request)}
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        """Shows the case file. Every change of a letter has a page of its own."""
        letter_id = _number(object_id)
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        letter = DeadLetter.objects.select_related("notification").filter(pk=letter_id).first() if letter_id else None
        if letter is None:
            messages.warning(request, f"There is no dead letter {object_id}.")
            return HttpResponseRedirect(reverse(verb_pages.LIST))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": letter,
            "title": f"Dead letter {letter.pk}",
            **case_file.context(letter, may_act=self.has_act_permission(request)),
        }
        return mark_when_rendered(TemplateResponse(request, "dlq/case_file.html", context))

    def verb_view(self, request: HttpRequest, name: str) -> HttpResponse:
        self._guard(request, name)
        ids = ids_of(request, _number)
        if request.method == "POST":
            return verb_pages.perform(self, request, name, ids)
        return verb_pages.ask(self, request, name, ids)

    def matching_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Asks about the oldest open letters that match the filters, at most MOST_AT_ONCE."""
        self._guard(request, name)
        if request.method == "POST":
            raise PermissionDenied
        try:
            changelist = self.get_changelist_instance(request)
        except (DisallowedModelAdminLookup, IncorrectLookupParameters):  # such as the filters of an older version
            messages.warning(request, "These filters cannot be used: choose them anew.")
            return HttpResponseRedirect(reverse(verb_pages.LIST))
        matching = changelist.get_queryset(request).filter(verb_pages.VERBS[name].takes)
        ids = list(matching.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if not ids:
            messages.warning(request, "No open letter matches these filters.")
            return HttpResponseRedirect(f"{reverse(verb_pages.LIST)}?{_filters(request)}")
        more = f"More match: these are the oldest {MOST_AT_ONCE:,}. Come back for the others."
        note = more if len(ids) > MOST_AT_ONCE else "These are all open letters that match your filters."
        return verb_pages.ask(self, request, name, ids[:MOST_AT_ONCE], back=request.GET.urlencode(), note=note)

    def repair_view(self, request: HttpRequest, letter_id: int) -> HttpResponse:
        self._guard(request)
        return repair_page(self, request, letter_id)

    @admin.action(description="Replay the selected", permissions=["act"])
    def replay_selected(self, request: HttpRequest, _queryset: QuerySet[DeadLetter]) -> HttpResponse:
        return self._ask_selected(request, "replay")

    @admin.action(description="Discard the selected", permissions=["act"])
    def discard_selected(self, request: HttpRequest, _queryset: QuerySet[DeadLetter]) -> HttpResponse:
        return self._ask_selected(request, "discard")

    def _ask_selected(self, request: HttpRequest, name: str) -> HttpResponse:
        """Asks about every letter that was ticked, although the filters may not show all of them any more."""
        ids = sorted({int(key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)})
        return verb_pages.ask(self, request, name, ids, back=request.GET.urlencode())

    def _guard(self, request: HttpRequest, verb: str = "replay") -> None:
        if verb not in verb_pages.VERBS:
            raise Http404
        if not self.has_act_permission(request):
            raise PermissionDenied
