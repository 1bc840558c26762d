"""The pages of notifications. Staff can read them, and make waiting ones due with "try now"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from dlq.admin.lists.notification_filters import FILTERS
from dlq.admin.story.story_page import story_page
from notifications.admin.reveal import reveal_page
from notifications.messages.words import Reason, Status
from notifications.models import Notification
from project.desk import cells
from project.desk.audit import MOST_AT_ONCE, try_now
from project.desk.base import (
    Context,
    ReadOnlyAdmin,
    column,
    confirmation,
    ids_of,
    is_list,
)
from project.desk.export import ExportAdmin
from project.desk.in_words import in_words
from project.desk.links import person_link
from project.desk.rights import Right
from project.desk.search import HELP, ExactSearch, first_matches, notification_matches
from project.desk.sight import sight_of
from project.desk.spelling import as_id

MOST_SHOWN = 100  # characters of an id that is none
# What a list reads of each row.
READ = (
    *("channel", "receiver", "user", "category", "subject", "status", "reason", "last_cause", "due_at"),
    *("expires_at", "accepted_at", "settled_at"),
)
# Only what is not normal has a colour.
TONES: dict[str, str] = {
    **dict.fromkeys((Status.DEAD, Status.EXPIRED, Status.SUPPRESSED), "bad"),
    **dict.fromkeys((Status.HELD, Status.WAITING), "odd"),
}


def _standing(row: Notification) -> SafeString:
    """Returns where a notification stands, why, and when it goes on."""
    words, tone = in_words("status", row.status), TONES.get(row.status)
    shown = cells.marks([(tone, words)]) if tone else format_html("{}", words)
    if row.status == Status.WAITING and row.reason == Reason.DIGEST:
        more = format_html("{}", in_words("reason", row.reason))  # its own due time is for emergencies
    elif row.status == Status.WAITING:
        more = format_html("{}, next try {}", in_words("reason", row.reason), cells.age(row.due_at))
    elif row.last_cause and tone:
        more = format_html("{}", in_words("cause", row.last_cause))
    else:
        return shown
    return format_html('<div class="desk-why">{}<br><span class="desk-answer">{}</span></div>', shown, more)


standing = column("where it stands", _standing)
about = column("about", lambda row: cells.isolated(row.seen.about, "desk-about"))
masked = column("receiver", lambda row: cells.isolated(row.seen.receiver))
accepted = column("accepted", lambda row: cells.age(row.accepted_at))
user = column("user", lambda row: person_link(row, row.seen.person))
category = column("category", lambda row: cells.isolated(row.category))


@admin.register(Notification)
class NotificationAdmin(ExportAdmin[Notification], ExactSearch[Notification], ReadOnlyAdmin[Notification]):
    list_display = (accepted, "channel", masked, about, category, user, standing)
    list_display_links = (accepted,)
    list_filter = FILTERS
    what_is_here = "Every notification that an application sends is here from the moment it is accepted."
    first_step = ("To send a first one, try the call POST /notification on", "/docs", "the page of the API.")
    export_head = (
        *("notification", "accepted at", "channel", "receiver", "user", "about", "category", "status", "reason"),
        *("cause", "answer", "attempts", "expires at", "client"),
    )
    search_fields = ("id",)
    search_help_text = HELP
    ordering = ("-id",)
    sortable_by = ()
    actions = ("try_selected_now",)
    act_rights = (Right.TRY_NOW,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        """Returns the rows without texts, where a list is shown: a text can be half a megabyte."""
        queryset = super().get_queryset(request)
        return queryset.defer("message", "html") if is_list(request) else queryset

    def get_list_display(self, request: HttpRequest) -> Any:
        listed, sight = super().get_list_display(request), sight_of(request)
        return listed if sight.contents or sight.asks else [each for each in listed if each is not about]

    def rows_of_page(self, request: HttpRequest, rows: QuerySet[Notification]) -> list[Notification]:
        """Reads the ids of one page, and then these rows: what a page skips is never read."""
        sight, keys = sight_of(request), list(rows.values_list("pk", flat=True))
        read = Notification.objects.filter(pk__in=keys).only(*READ).order_by("-pk")
        found = list(cells.with_beginning(read, sight))
        for row in found:
            vars(row)["seen"] = cells.seen(row, sight, "")
        return found

    def export_lines(self, request: HttpRequest, keys: Sequence[UUID]) -> Iterator[Sequence[object]]:
        sight = sight_of(request)
        read = Notification.objects.filter(pk__in=keys).only(*READ, "last_error", "attempts", "client").order_by("-pk")
        for row in cells.with_beginning(read, sight):
            yield (
                *(row.pk, row.accepted_at.isoformat(), row.channel, sight.receiver(row), sight.person(row.user)),
                *(cells.about_of(row, sight), row.category, in_words("status", row.status)),
                *(in_words("reason", row.reason), in_words("cause", row.last_cause)),
                *(sight.answer(row.last_error, row.receiver), row.attempts),
                *(row.expires_at.isoformat() if row.expires_at else "", row.client),
            )

    def find(self, queryset: QuerySet[Notification], term: str, most: int) -> QuerySet[Notification]:
        return first_matches(queryset, notification_matches(term), most)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        """Shows the story of the notification. Every change of it has a page of its own."""
        if request.method == "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        rows = Notification.objects.select_related("dead_letter", "dead_letter__problem", "dead_letter__run")
        found = as_id(object_id)
        row = rows.filter(pk=found).first() if found else None
        if row is None:
            messages.warning(request, f"There is no notification {object_id[:MOST_SHOWN]}.")
            return HttpResponseRedirect(reverse("admin:notifications_notification_changelist"))
        return story_page(self, request, row, getattr(row, "dead_letter", None))

    @admin.action(description="Try the selected ones now", permissions=["act"])
    def try_selected_now(self, request: HttpRequest, _queryset: QuerySet[Notification]) -> HttpResponse:
        """Asks about every row that was ticked, although the filters may not show all of them any more."""
        return self._ask(request, [UUID(key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)])

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.try_now_view)
        reveal = self.admin_site.admin_view(self.reveal_view)
        return [
            path("try-now/", view, name="notifications_notification_try_now"),
            path("<str:object_id>/reveal/<str:what>/", reveal, name="notifications_notification_reveal"),
            *super().get_urls(),
        ]

    def reveal_view(self, request: HttpRequest, object_id: str, what: str) -> HttpResponse:
        """Asks why for GET, shows for POST. Raises Http404 and PermissionDenied."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        return reveal_page(self, request, row, what)

    def try_now_view(self, request: HttpRequest) -> HttpResponse:
        """Asks for GET, makes the rows due for POST."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        ids = ids_of(request, as_id)
        if request.method != "POST":
            return self._ask(request, ids)
        count = try_now(ids[:MOST_AT_ONCE], request.user.get_username())
        if count:
            messages.success(request, f"{count:,} due now; a scheduler publishes them within seconds.")
        if count < len(ids):
            messages.warning(request, f"{len(ids) - count:,} left alone: not waiting any more, or scheduled for later.")
        one = len(ids) == 1
        name = "admin:notifications_notification_" + ("change" if one else "changelist")
        return HttpResponseRedirect(reverse(name, args=ids if one else []))

    def _ask(self, request: HttpRequest, ids: list[UUID]) -> HttpResponse:
        home = reverse("admin:notifications_notification_changelist")
        waiting = Notification.objects.filter(pk__in=ids[:MOST_AT_ONCE]).may_be_tried_now().count()
        if len(ids) > MOST_AT_ONCE or not waiting:
            many = f"Choose at most {MOST_AT_ONCE:,} notifications at once."
            none = (
                f"None of the {len(ids):,} you chose waits for a try that could be now."
                if ids
                else "No notification is chosen."
            )
            messages.warning(request, many if len(ids) > MOST_AT_ONCE else none)
            return HttpResponseRedirect(home)
        many = "notification" if len(ids) == 1 else f"{len(ids):,} notifications"
        return confirmation(
            self,
            request,
            title=f"Try {'this' if len(ids) == 1 else 'these'} {many} now?",
            sentences=[
                f"{waiting:,} of {len(ids):,} wait for a try. They become due now instead of at their own time.",
                "An attempt that fails counts as usual. The others, and what is scheduled for later, are left alone.",
            ],
            button="Try now",
            hidden={"ids": ",".join(map(str, ids))},
            action=reverse("admin:notifications_notification_try_now"),
            cancel=home,
        )
