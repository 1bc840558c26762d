"""The list of dead letters, and the addresses of its pages and verbs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dlq.admin.choosing import selecting
from dlq.admin.choosing.letter_filters import FILTERS, number, selection_of
from dlq.admin.mending.mend_pages import MEND_RIGHTS, ask_about, mend_page
from dlq.admin.mending.mending_page import mending_page, mending_progress
from dlq.admin.runs import run_question
from dlq.admin.story.story_page import story_page
from dlq.admin.verbs import verb_pages
from dlq.admin.verbs.repair_page import redirect_page, repair_page
from dlq.models import DeadLetter
from notifications.models import Notification
from project.desk import cells
from project.desk.audit import MOST_AT_ONCE
from project.desk.base import Context, ReadOnlyAdmin, column, ids_of, is_list
from project.desk.export import ExportAdmin
from project.desk.in_words import in_words
from project.desk.rights import OF_LETTERS, Right, may, most_replayed, need, rights_of
from project.desk.search import HELP
from project.desk.sight import sight_of

READ = ("channel", "receiver", "user", "category", "subject", "settled_at")  # of the notifications of a page
VERB_RIGHTS = {"replay": Right.REPLAY, "discard": Right.DISCARD, "mark-sent": Right.REPLAY}


def _filters(request: HttpRequest) -> str:
    """Returns the filters of the list as a query string, without the page."""
    chosen = request.GET.copy()
    chosen.pop(PAGE_VAR, None)
    return chosen.urlencode()


def _matching(request: HttpRequest) -> bool:
    """Returns True for a request about all letters that match the filters."""
    match = request.resolver_match
    return match is not None and match.url_name == "dlq_deadletter_matching"


def _why(letter: Any) -> SafeString:
    cause = in_words("cause", letter.cause).capitalize()
    return format_html('<div class="desk-why">{}<br>{}</div>', cause, cells.isolated(letter.seen.answer, "desk-answer"))


def _standing(letter: DeadLetter) -> SafeString:
    """Returns what is not normal about the letter: an open one that died once and may be sent needs no word."""
    expired = letter.expires_at is not None and letter.expires_at <= timezone.now()
    return cells.marks(
        [
            ("", in_words("state", letter.state) if letter.state != DeadLetter.State.OPEN else ""),
            ("bad", "expired" if expired else ""),
            ("odd", "may have arrived" if letter.uncertain else ""),
            ("odd", f"died {letter.deaths} times" if letter.deaths > 1 else ""),
        ]
    ) or format_html("{}", in_words("state", letter.state))


numbered = column("letter", lambda letter: f"#{letter.pk}")
died = column("died", lambda letter: cells.age(letter.died_at))
receiver = column("receiver", lambda letter: cells.isolated(letter.seen.receiver))
about = column("about", lambda letter: cells.isolated(letter.seen.about, "desk-about"))
category = column("category", lambda letter: cells.isolated(letter.category))
why = column("why", _why)
standing = column("state", _standing)


@admin.register(DeadLetter)
class DeadLetterAdmin(ExportAdmin[DeadLetter], ReadOnlyAdmin[DeadLetter]):
    list_display = (numbered, died, "channel", receiver, about, category, why, standing)
    list_display_links = (numbered,)
    list_filter = FILTERS
    list_before_template = "dlq/list_before.html"
    search_fields = ("id",)
    search_help_text = f"{HELP}, #letter"
    ordering = ("-id",)
    sortable_by = ()
    actions = ("replay_selected", "mend_selected", "discard_selected")
    act_rights = OF_LETTERS
    what_is_here = (
        "Here is what could not be delivered, until somebody sends it again, corrects it or discards it. "
        "An empty list of open letters is good news."
    )
    export_head = (
        *("letter", "notification", "died at", "channel", "receiver", "user", "about", "category", "cause", "answer"),
        *("state", "deaths", "expires at", "may have arrived", "provider", "client"),
    )

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        sight = sight_of(request)
        return shown if sight.contents or sight.asks else [each for each in shown if each is not about]

    def get_queryset(self, request: HttpRequest) -> QuerySet[DeadLetter]:
        """Returns the rows of the selection that a list's address means, without the bytes that can be many."""
        queryset = super().get_queryset(request)
        if not (is_list(request) or _matching(request)):
            return queryset
        return selection_of(request).rows().defer("raw")

    def get_ordering(self, request: HttpRequest) -> tuple[str]:
        return ("id",) if _matching(request) else ("-id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DeadLetter], search_term: str
    ) -> tuple[QuerySet[DeadLetter], bool]:
        """Returns the rows as they are: what was searched is part of the selection."""
        return queryset, False

    def export_lines(self, request: HttpRequest, keys: Sequence[int]) -> Iterator[Sequence[object]]:
        sight = sight_of(request)
        letters = DeadLetter.objects.filter(pk__in=keys).defer("raw").order_by("-pk")
        known = Notification.objects.filter(dead_letter__in=keys).only(*READ)
        found = cells.with_beginning(known, sight).in_bulk()
        for letter in letters:
            row = found.get(letter.notification_id) if letter.notification_id else None
            receiver = sight.receiver(row) if row else ""
            answer = sight.answer(letter.error, row.receiver if row else "")
            yield (
                *(letter.pk, letter.notification_id or "", letter.died_at.isoformat(), letter.channel, receiver),
                *(sight.person(letter.user), cells.about_of(row, sight) if row else "", letter.category),
                *(in_words("cause", letter.cause), answer, in_words("state", letter.state), letter.deaths),
                *(letter.expires_at.isoformat() if letter.expires_at else "", "yes" if letter.uncertain else "no"),
                *(letter.provider, letter.client),
            )

    def rows_of_page(self, request: HttpRequest, rows: QuerySet[DeadLetter]) -> list[DeadLetter]:
        """Reads the letters of one page, and then their notifications: joined before, each skipped row costs one."""
        letters = list(rows)
        ids = [letter.notification_id for letter in letters if letter.notification_id]
        sight = sight_of(request)
        found = cells.with_beginning(Notification.objects.filter(pk__in=ids).only(*READ), sight).in_bulk()
        for letter in letters:
            row = found.get(letter.notification_id) if letter.notification_id else None
            vars(letter)["seen"] = cells.seen(row, sight, letter.error) if row else cells.unread(letter.error)
        return letters

    def get_urls(self) -> list[URLPattern]:
        guard = self.admin_site.admin_view
        return [
            path("verb/<str:name>/", guard(self.verb_view), name="dlq_deadletter_verb"),
            path("matching/<str:name>/", guard(self.matching_view), name="dlq_deadletter_matching"),
            path("mend/", guard(self.mend_view), name="dlq_mend_ask"),
            path("mend/<int:mending_id>/", guard(self.mending_view), name="dlq_mending_change"),
            path("mend/<int:mending_id>/progress/", guard(self.mending_progress_view), name="dlq_mending_progress"),
            path("<int:letter_id>/repair/", guard(self.repair_view), name="dlq_deadletter_repair"),
            path("<int:letter_id>/redirect/", guard(self.redirect_view), name="dlq_deadletter_redirect"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Context | None = None) -> HttpResponse:
        more: Context = {"may": rights_of(request), "query": _filters(request)}
        more["selection"] = selecting.signed(selecting.of_address(request))  # so that no term stands in a URL
        more["may_match"] = selection_of(request).state in ("", DeadLetter.State.OPEN)  # verbs take open letters alone
        return super().changelist_view(request, {**more, **(extra_context or {})})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        """Shows the story of the letter. Every change of it has a page of its own."""
        letter_id = number(object_id)
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        letters = DeadLetter.objects.select_related("notification", "problem", "run")
        letter = letters.filter(pk=letter_id).first() if letter_id else None
        if letter is None:
            messages.warning(request, f"There is no dead letter {object_id}.")
            return HttpResponseRedirect(reverse(verb_pages.LIST))
        return story_page(self, request, letter.notification, letter)

    def verb_view(self, request: HttpRequest, name: str) -> HttpResponse:
        self._guard(request, name)
        ids = ids_of(request, number)
        if name == "replay" and len(ids) > 1:
            return run_question.ask(self, request, selecting.of_ids(ids))
        if refusal := self._too_many(request, name, len(ids)):
            return refusal
        if request.method == "POST":
            return verb_pages.perform(self, request, name, ids)
        return verb_pages.ask(self, request, name, ids)

    def matching_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """Asks about the oldest open letters that match the filters, at most MOST_AT_ONCE. To replay many is a run."""
        self._guard(request, name)
        if request.method == "POST":
            raise PermissionDenied
        if name == "replay":
            raise Http404
        try:
            changelist = self.get_changelist_instance(request)
        except (DisallowedModelAdminLookup, IncorrectLookupParameters):  # such as the filters of an older version
            messages.warning(request, "These filters cannot be used: choose them anew.")
            return HttpResponseRedirect(reverse(verb_pages.LIST))
        open_ones = changelist.get_queryset(request).filter(state=DeadLetter.State.OPEN)
        matching = open_ones.filter(verb_pages.VERBS[name].takes)
        most = MOST_AT_ONCE if name == "discard" else most_replayed(request, MOST_AT_ONCE)
        ids = list(matching.values_list("pk", flat=True)[: most + 1])
        if not ids:
            messages.warning(request, "No open letter matches these filters.")
            return HttpResponseRedirect(f"{reverse(verb_pages.LIST)}?{_filters(request)}")
        more = f"More match: these are the oldest {most:,}. Come back for the others."
        note = more if len(ids) > most else "These are all open letters that match your filters."
        return verb_pages.ask(self, request, name, ids[:most], back=request.GET.urlencode(), note=note)

    def repair_view(self, request: HttpRequest, letter_id: int) -> HttpResponse:
        return repair_page(self, self._guarded(request), letter_id)

    def redirect_view(self, request: HttpRequest, letter_id: int) -> HttpResponse:
        return redirect_page(self, self._guarded(request), letter_id)

    def mend_view(self, request: HttpRequest) -> HttpResponse:
        return mend_page(self, self._guarded(request))

    def mending_view(self, request: HttpRequest, mending_id: int) -> HttpResponse:
        if request.method == "POST":
            raise PermissionDenied
        return mending_page(self, self._guarded(request), mending_id)

    def mending_progress_view(self, request: HttpRequest, mending_id: int) -> HttpResponse:
        if request.method == "POST":
            raise PermissionDenied
        return mending_progress(self._guarded(request), mending_id)

    @admin.action(description="Replay the selected", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, _queryset: QuerySet[DeadLetter]) -> HttpResponse:
        ids = [int(key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)]
        if len(set(ids)) > 1:
            return run_question.ask(self, request, selecting.of_ids(ids))
        return self._ask_selected(request, "replay")

    @admin.action(description="Discard the selected", permissions=["discard"])
    def discard_selected(self, request: HttpRequest, _queryset: QuerySet[DeadLetter]) -> HttpResponse:
        return self._ask_selected(request, "discard")

    @admin.action(description="Correct the receivers of the selected", permissions=["mend"])
    def mend_selected(self, request: HttpRequest, _queryset: QuerySet[DeadLetter]) -> HttpResponse:
        ids = sorted({int(key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)})
        return ask_about(self, request, selecting.of_ids(ids))

    def has_mend_permission(self, request: HttpRequest) -> bool:
        return all(may(request, right) for right in MEND_RIGHTS)

    def _ask_selected(self, request: HttpRequest, name: str) -> HttpResponse:
        """Asks about every letter that was ticked, although the filters may not show all of them any more."""
        ids = sorted({int(key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)})
        if refusal := self._too_many(request, name, len(ids)):
            return refusal
        return verb_pages.ask(self, request, name, ids, back=request.GET.urlencode())

    def _guard(self, request: HttpRequest, verb: str) -> None:
        if verb not in verb_pages.VERBS:
            raise Http404
        need(self._guarded(request), VERB_RIGHTS[verb])

    def _too_many(self, request: HttpRequest, verb: str, count: int) -> HttpResponse | None:
        """Returns the way back to the list for whoever may replay a few letters alone and asks about more."""
        most = most_replayed(request, MOST_AT_ONCE)
        if VERB_RIGHTS[verb] is not Right.REPLAY or count <= most or may(request, Right.REPLAY_MANY):
            return None
        messages.error(request, f"You may do this with at most {most:,} letters at once: ask somebody who may do more.")
        return HttpResponseRedirect(reverse(verb_pages.LIST))

    def _guarded(self, request: HttpRequest) -> HttpRequest:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return request

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return may(request, Right.REPLAY)

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return may(request, Right.DISCARD)
