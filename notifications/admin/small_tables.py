"""The small tables beside the ledger: categories, workers, breakers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone

from notifications.channels import channel_choices
from notifications.messages.words import StaffVerb
from notifications.models import ALIVE_SECONDS, BreakerEvent, Category, WorkerHeartbeat
from project.desk.audit import Change, one_at_a_time, write_actions
from project.desk.base import DeskAdmin, ReadOnlyAdmin, column, time_column
from project.desk.filters import TimeRange, word_filter

OUTCOME_LABELS = {"yes": "success", "no": "danger", "open": "danger", "closed": "success"}


def is_alive(worker: WorkerHeartbeat) -> bool:
    return timezone.now() - worker.seen_at <= timedelta(seconds=ALIVE_SECONDS)


hides = column("contents", lambda row: "hidden from everybody" if row.sensitive else "")
alive = column("alive", lambda row: "yes" if is_alive(row) else "no", labels=OUTCOME_LABELS)
breaker_state = column("state", lambda row: row.state, labels=OUTCOME_LABELS)
at = time_column("at", "time")


def in_words(category: Category | None) -> str:
    """Returns what a category says, for the record; "" where there is none."""
    if category is None:
        return ""
    return f"{category.on_uncertain}, {'sensitive' if category.sensitive else 'not sensitive'}"


def target(category: Category) -> tuple[str, None]:
    return f"category {category.name}"[:100], None


@admin.register(Category)
class CategoryAdmin(DeskAdmin[Category]):
    """What is known of a category. Each change is recorded, because one of them shows or hides contents."""

    list_display = ("name", "on_uncertain", hides)
    search_fields = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Returns the name for an existing category: callers and rows use it, so another name is another category."""
        return ("name",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Category | None = None) -> bool:
        """Returns False for `default`, which is the category of requests that name none."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.name != "default")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: Any) -> None:
        """Saves the category, and what it was and is now. Senders read it within seconds."""
        with one_at_a_time():
            was = in_words(Category.objects.filter(pk=obj.pk).first())
            super().save_model(request, obj, form, change)
            made = Change(before=was, after=in_words(obj), flagged=bool(change and "sensitive" in form.changed_data))
            write_actions(request.user.get_username(), StaffVerb.SET_CATEGORY, [target(obj)], change=made)

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        with one_at_a_time():
            gone = Change(before=in_words(obj), flagged=obj.sensitive)
            write_actions(request.user.get_username(), StaffVerb.DELETE_CATEGORY, [target(obj)], change=gone)
            super().delete_model(request, obj)


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
