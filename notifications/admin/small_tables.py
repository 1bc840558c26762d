"""The small tables beside the ledger: categories, the sandbox, workers, breakers, staff actions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.utils import timezone

from notifications.channels import channel_choices, masked
from notifications.models import BreakerEvent, Category, SandboxMessage, StaffAction, WorkerHeartbeat
from project.desk.base import DeskAdmin, ReadOnlyAdmin, as_text, column, is_list, time_column
from project.desk.filters import TimeRange, word_filter
from project.desk.search import ExactSearch
from project.desk.spelling import as_id

ALIVE_SECONDS = 30
OUTCOME_LABELS = {"yes": "success", "no": "danger", "open": "danger", "closed": "success"}


def is_alive(worker: WorkerHeartbeat) -> bool:
    return timezone.now() - worker.seen_at <= timedelta(seconds=ALIVE_SECONDS)


sandbox_receiver = column("receiver", lambda row: masked(row.channel, row.receiver))
alive = column("alive", lambda row: "yes" if is_alive(row) else "no", labels=OUTCOME_LABELS)
breaker_state = column("state", lambda row: row.state, labels=OUTCOME_LABELS)
beginning = column("message", lambda row: row.beginning if len(row.beginning) <= 80 else f"{row.beginning[:80]}…")
sent = time_column("sent_at", "sent")
at = time_column("at", "time")


@admin.register(Category)
class CategoryAdmin(DeskAdmin[Category]):
    list_display = ("name", "on_uncertain")
    search_fields = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Returns the name for an existing category: callers and rows use it, so another name is another category."""
        return ("name",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Category | None = None) -> bool:
        """Returns False for `default`, which is the category of requests that name none."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.name != "default")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}


@admin.register(SandboxMessage)
class SandboxMessageAdmin(ExactSearch[SandboxMessage], ReadOnlyAdmin[SandboxMessage]):
    list_display = (sent, "channel", sandbox_receiver, "subject", beginning)
    list_display_links = (sent,)
    list_filter = (word_filter("channel", channel_choices), ("sent_at", TimeRange))
    search_fields = ("notification_id",)
    search_help_text = "Exact notification id"
    ordering = ("-id",)
    sortable_by = ()

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        receiver = "receiver" if self.has_act_permission(request) else sandbox_receiver
        texts = (column("message", lambda row: as_text(row.message)), column("html", lambda row: as_text(row.html)))
        return (sent, "channel", receiver, "subject", *texts, "notification_id")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.get_fields(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[SandboxMessage]:
        """Returns the rows with the beginning of a text, where a list is shown: the whole can be half a megabyte."""
        queryset = super().get_queryset(request)
        if not is_list(request):
            return queryset
        return queryset.defer("message", "html").annotate(beginning=Left("message", 81))

    def find(self, queryset: QuerySet[SandboxMessage], term: str, most: int) -> QuerySet[SandboxMessage]:
        found = as_id(term)
        return queryset.filter(notification_id=found) if found else queryset.none()


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(ReadOnlyAdmin[WorkerHeartbeat]):
    list_display = (
        *("worker", "kind", "channels", alive),
        *(time_column("seen_at", "last seen"), time_column("started_at", "started")),
    )
    sortable_by = ()


@admin.register(BreakerEvent)
class BreakerEventAdmin(ReadOnlyAdmin[BreakerEvent]):
    list_display = (at, "channel", "provider", breaker_state, "cause", "worker")
    list_filter = (word_filter("channel", channel_choices), ("at", TimeRange))
    sortable_by = ()


@admin.register(StaffAction)
class StaffActionAdmin(ExactSearch[StaffAction], ReadOnlyAdmin[StaffAction]):
    list_display = (at, "actor", "action", "target", "note")
    list_filter = (("at", TimeRange),)
    search_fields = ("target",)
    search_help_text = 'Exact target, such as "dead letter 17", or notification id'
    sortable_by = ()

    def find(self, queryset: QuerySet[StaffAction], term: str, most: int) -> QuerySet[StaffAction]:
        found = as_id(term)
        return queryset.filter(Q(notification_id=found) if found else Q(target=term))
