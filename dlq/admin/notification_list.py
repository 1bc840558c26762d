"""The pages of notifications. Staff can read them, and make waiting ones due with "try now"."""

from __future__ import annotations

from functools import partial
from typing import Any, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from dlq.admin.story_page import story_page
from notifications.admin.reveal import reveal_page
from notifications.channels import channel_choices
from notifications.channels.outcomes import Cause
from notifications.messages.words import Is, Reason, Status, statuses
from notifications.models import Notification, NotificationQuerySet
from project.database.word_field import choices_of
from project.desk.audit import MOST_AT_ONCE, try_now
from project.desk.base import (
    Context,
    ReadOnlyAdmin,
    column,
    confirmation,
    ids_of,
    is_list,
    masked_receiver,
    time_column,
)
from project.desk.filters import AcceptedRange, WordFilter, word_filter
from project.desk.rights import Right
from project.desk.search import HELP, ExactSearch, first_matches, notification_matches
from project.desk.spelling import as_id

MOST_SHOWN = 100  # characters of an id that is none
STATUS_LABELS = {status.value: status.tone for status in Status}


class StatusFilter(WordFilter):
    title = "status"
    parameter_name = "status"
    words = staticmethod(partial(choices_of, Status))

    def chosen(self, queryset: QuerySet[Any], word: str) -> QuerySet[Any]:
        return cast("NotificationQuerySet", queryset).with_status(Status(word))


class CauseFilter(WordFilter):
    """Filters by the last cause, among notifications that are not delivered. The causes of others are in attempts."""

    title = "cause (not delivered)"
    parameter_name = "cause"
    words = staticmethod(partial(choices_of, Cause))

    def chosen(self, queryset: QuerySet[Any], word: str) -> QuerySet[Any]:
        return queryset.filter(last_cause=word, listed__in=statuses(Is.RARE))


class ReasonFilter(WordFilter):
    """Filters by the reason, among waiting rows, for only they have one."""

    title = "reason (waiting)"
    parameter_name = "reason"
    words = staticmethod(partial(choices_of, Reason))

    def chosen(self, queryset: QuerySet[Any], word: str) -> QuerySet[Any]:
        return queryset.filter(reason=word, listed=Status.WAITING)


status = column("status", lambda row: row.status, labels=STATUS_LABELS)
why = column("why", lambda row: row.reason if row.status == Status.WAITING else row.last_cause)
accepted = time_column("accepted_at", "accepted")
due = time_column("due_at", "due")


@admin.register(Notification)
class NotificationAdmin(ExactSearch[Notification], ReadOnlyAdmin[Notification]):
    list_display = (*(accepted, "channel", masked_receiver, "user", status, why, "attempts", due),)
    list_display_links = (accepted,)
    list_filter = (
        StatusFilter,
        word_filter("channel", channel_choices),
        ReasonFilter,
        CauseFilter,
        ("accepted_at", AcceptedRange),
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
            messages.warning(request, f"{len(ids) - count:,} left alone: not waiting any more.")
        one = len(ids) == 1
        name = "admin:notifications_notification_" + ("change" if one else "changelist")
        return HttpResponseRedirect(reverse(name, args=ids if one else []))

    def _ask(self, request: HttpRequest, ids: list[UUID]) -> HttpResponse:
        home = reverse("admin:notifications_notification_changelist")
        waiting = Notification.objects.filter(pk__in=ids[:MOST_AT_ONCE], status=Status.WAITING).count()
        if len(ids) > MOST_AT_ONCE or not waiting:
            many = f"Choose at most {MOST_AT_ONCE:,} notifications at once."
            none = f"None of the {len(ids):,} you chose is waiting any more." if ids else "No notification is chosen."
            messages.warning(request, many if len(ids) > MOST_AT_ONCE else none)
            return HttpResponseRedirect(home)
        many = "notification" if len(ids) == 1 else f"{len(ids):,} notifications"
        return confirmation(
            self,
            request,
            title=f"Try {'this' if len(ids) == 1 else 'these'} {many} now?",
            sentences=[
                f"{waiting:,} of {len(ids):,} are waiting. They become due now instead of at their own time.",
                "An attempt that fails counts as usual. Those not waiting are left alone.",
            ],
            button="Try now",
            hidden={"ids": ",".join(map(str, ids))},
            action=reverse("admin:notifications_notification_try_now"),
            cancel=home,
        )
