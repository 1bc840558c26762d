"""The pages of notifications. Staff can read them, and make waiting ones due with "try now"."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, cast
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import flatten_fieldsets
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import BooleanField, F, Model, QuerySet, Value
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from notifications.admin.reveal import reveal_page
from notifications.channels import channel_choices
from notifications.channels.outcomes import Cause
from notifications.channels.redaction import shown
from notifications.messages.words import Is, Reason, Status, statuses
from notifications.models import Attempt, Notification, NotificationQuerySet
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
from project.desk.sight import Sight, sight_of
from project.desk.spelling import as_id
from project.desk.unfold import TabularInline

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


def _letter_link(row: Notification) -> str:
    try:
        letter = row.dead_letter
    except ObjectDoesNotExist:
        return "–"
    url = reverse("admin:dlq_deadletter_change", args=[letter.pk])
    return format_html('<a class="desk-link" href="{}">Dead letter {} ({})</a>', url, letter.pk, letter.state)


def _sight(row: Notification) -> Sight:
    """Returns what the person who asked for this row may see; the page writes it down when it reads the row."""
    sight: Sight = vars(row)["sight"]
    return sight


def _content(row: Notification) -> str:
    """Returns what it contains as this person may see it, with the way to ask for it."""
    reveal = reverse("admin:notifications_notification_reveal", args=[row.pk, "content"])
    return render_to_string("desk/content.html", {"content": _sight(row).content(row), "reveal": reveal})


def _attempt_error(attempt: Attempt) -> str:
    read = vars(attempt)
    return attempt.error if read["whole"] else shown(attempt.error, read["receiver"])


status = column("status", lambda row: row.status, labels=STATUS_LABELS)
why = column("why", lambda row: row.reason if row.status == Status.WAITING else row.last_cause)
accepted = time_column("accepted_at", "accepted")
due = time_column("due_at", "due")
settled = time_column("settled_at", "settled")
expires = time_column("expires_at", "expires")
deferred = time_column("deferred_since", "put off since")
receiver = column("receiver", lambda row: _sight(row).receiver(row))
content = column("content", _content)
last_error = column("last error", lambda row: _sight(row).answer(row.last_error, row.receiver))
attempt_error = column("error", _attempt_error)
letter = column("dead letter", _letter_link)


class AttemptInline(TabularInline[Attempt, Notification]):
    """The attempts that failed."""

    model = Attempt
    extra = 0
    can_delete = False
    hide_title = True
    verbose_name_plural = "Attempts that failed"
    readonly_fields: ClassVar[Any] = (
        time_column("at", "time"),
        *("generation", "number", "outcome", "cause", attempt_error, "milliseconds"),
    )
    fields: ClassVar[Any] = readonly_fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attempt]:
        whole = Value(sight_of(request).receivers, output_field=BooleanField())
        return super().get_queryset(request).annotate(receiver=F("notification__receiver"), whole=whole)

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Returns True: the page of a notification is shown only to those who may see its attempts."""
        return True


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
    inlines: ClassVar = [AttemptInline]
    change_form_outer_before_template = "desk/notification_verbs.html"

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        stands = ((status, "reason", due), ("last_cause", "attempts", settled), last_error, letter)
        what = (("channel", "user"), receiver, content)
        about = (("client", "reference"), ("category", "priority"), (accepted, expires), "id")
        sending = (("generation", "claims", "uncertain_count"), ("provider", "provider_message_id", deferred))
        kafka = ("topic", "partition", "offset")
        return [
            ("Where it stands", {"fields": stands}),
            ("What it is", {"fields": what + about}),
            ("For the developers", {"fields": (*sending, kafka, "trace_id")}),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return flatten_fieldsets(self.get_fieldsets(request, obj))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notification]:
        """Returns the rows without texts, where a list is shown: a text can be half a megabyte."""
        queryset = super().get_queryset(request)
        return queryset.defer("message", "html") if is_list(request) else queryset.select_related("dead_letter")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Notification | None:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            vars(row)["sight"] = sight_of(request)
        return row

    def find(self, queryset: QuerySet[Notification], term: str, most: int) -> QuerySet[Notification]:
        return first_matches(queryset, notification_matches(term), most)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Context | None = None
    ) -> HttpResponse:
        more = {"may_act": self.has_act_permission(request)}
        return super().change_view(request, object_id, form_url, {**more, **(extra_context or {})})

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
