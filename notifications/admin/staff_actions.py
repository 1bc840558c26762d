"""What staff did: who, when, what, why, from what to what. Nobody can change or delete it here, nor can a superuser."""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from notifications.messages.words import StaffVerb
from notifications.models import Notification, StaffAction
from project.desk import cells
from project.desk.audit import details
from project.desk.base import ReadOnlyAdmin, column, time_column
from project.desk.filters import TextFilter, TimeRange, WordFilter, word_filter
from project.desk.search import ExactSearch, notification_matches, receivers_of
from project.desk.sight import Sight, sight_of

MOST_NOTIFICATIONS = 1_000  # of a receiver or person, whose actions a search finds
LONGEST_SHOWN = 200  # characters of what and why, in the list
NUMBER = re.compile(r"#?(\d{1,18})")
# What an action was about → the list where it is, and the page of one, where its number is in the target's name.
PAGES = {
    "dead letter": "dlq_deadletter",
    "notification": "notifications_notification",
    "run": "dlq_run",
    "problem": "dlq_problem",
    "job": "notifications_job",
    "correction": "dlq_mending",
}
# Those whose target is a name: the list is searched for it, or has few rows.
LISTS = {
    "user": ("users_user", "q"),
    "category": ("notifications_category", "q"),
    "account": ("auth_user", "q"),
    "API key": ("users_apikey", ""),
    "group": ("auth_group", "q"),
    "device of": ("users_device", "q"),
}
NUMBERED = tuple(kind for kind in PAGES if kind != "notification")


def address_of(target: str) -> str:
    """Returns the address of what an action was about, or "" where it has no page."""
    try:
        for kind, name in PAGES.items():
            if target.startswith(f"{kind} "):
                return reverse(f"admin:{name}_change", args=[target.removeprefix(f"{kind} ")])
        for kind, (name, parameter) in LISTS.items():
            if target.startswith(f"{kind} "):
                page, value = reverse(f"admin:{name}_changelist"), target.removeprefix(f"{kind} ")
                named = parameter and "@" not in value and not receivers_of(value)  # an address stands in no URL
                return f"{page}?{urlencode({parameter: value})}" if named else page
    except NoReverseMatch:
        return ""
    return ""


class ActorFilter(TextFilter):
    title = "person"
    parameter_name = "actor"


class FlaggedFilter(WordFilter):
    title = "flagged"
    parameter_name = "flagged"

    @staticmethod
    def words() -> list[tuple[str, str]]:
        return [("yes", "to be looked at")]

    def chosen(self, queryset: QuerySet[Any], word: str) -> QuerySet[Any]:
        return queryset.filter(flagged=True)


def _verbs() -> list[tuple[str, str]]:
    return [(verb.value, verb.in_words) for verb in StaffVerb]


def _about(action: StaffAction) -> str:
    address, words = address_of(action.target), _seen(action, action.target)
    return format_html('<a class="desk-link" href="{}">{}</a>', address, words) if address else words


def _notification(action: StaffAction) -> str:
    if action.notification_id is None:
        return "–"
    page = reverse("admin:notifications_notification_change", args=[action.notification_id])
    return format_html('<a class="desk-link" href="{}">{}</a>', page, action.notification_id)


def _run(action: StaffAction) -> str:
    name = f"run {action.run_id}" if action.run_id else ""
    address = address_of(name)
    return format_html('<a class="desk-link" href="{}">{}</a>', address, name) if address else name or "–"


def _seen(action: StaffAction, text: str) -> str:
    """Returns a text without addresses, where the person of this page may not see receivers."""
    sight: Sight | None = vars(action).get("sight")
    return sight.answer(text) if sight else text


def _what(action: StaffAction) -> str:
    return cells.isolated(cells.cut(_seen(action, details(action)), LONGEST_SHOWN), "desk-about")


at = time_column("at", "time")
did = column("did", lambda row: StaffVerb(row.action).in_words if row.action in set(StaffVerb) else row.action)
about = column("about", _about)
what = column(
    "what and why", lambda row: cells.isolated(cells.cut(_seen(row, details(row)), LONGEST_SHOWN), "desk-about")
)
note = column("what", lambda row: _seen(row, row.note) or "–")
reason = column("why", lambda row: _seen(row, row.reason) or "–")
before = column("before", lambda row: row.before or "–")
after = column("after", lambda row: row.after or "–")
flag = column("flagged", lambda row: "look at it" if row.flagged else "", labels={"look at it": "warning"})
notification = column("notification", _notification)
run = column("run", _run)
hashes = column("hashes of both", lambda row: f"{row.before_hash or '–'} → {row.after_hash or '–'}")


@admin.register(StaffAction)
class StaffActionAdmin(ExactSearch[StaffAction], ReadOnlyAdmin[StaffAction]):
    list_display = (at, "actor", did, about, flag, what)
    list_display_links = (at,)
    list_filter = (ActorFilter, word_filter("action", _verbs, title="did"), FlaggedFilter, ("at", TimeRange))
    search_fields = ("target",)
    what_is_here = "What staff did with letters, notifications, runs, people, accounts and keys is written down here."
    search_help_text = "#letter, run 3, user, receiver, notification id"
    ordering = ("-id",)
    sortable_by = ()
    fields: ClassVar[Any] = (at, "actor", did, about, note, reason, before, after, flag, notification, run, hashes)
    readonly_fields: ClassVar[Any] = fields

    def rows_of_page(self, request: HttpRequest, rows: QuerySet[StaffAction]) -> list[StaffAction]:
        return [self._with_sight(request, row) for row in rows]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> StaffAction | None:
        row = super().get_object(request, object_id, from_field)
        return row and self._with_sight(request, row)

    def find(self, queryset: QuerySet[StaffAction], term: str, most: int) -> QuerySet[StaffAction]:
        """Returns the actions on what the term names, and on the notifications of a receiver, a person or an id."""
        targets = [term, f"user {term}"[:100], f"account {term}"[:100], f"device of {term}"[:100]]
        if number := NUMBER.fullmatch(term):
            targets += [f"{kind} {number[1]}" for kind in NUMBERED]
        ids: set[Any] = set()
        for match in notification_matches(term):
            newest = Notification.objects.filter(match).order_by("-id").values_list("pk", flat=True)
            ids.update(newest[:MOST_NOTIFICATIONS])
        return queryset.filter(Q(target__in=targets) | Q(notification_id__in=ids))

    @staticmethod
    def _with_sight(request: HttpRequest, row: StaffAction) -> StaffAction:
        vars(row)["sight"] = sight_of(request)
        return row
