"""The small tables beside the ledger: categories, workers, breakers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Field, Model
from django.http import HttpRequest
from django.utils import timezone

from notifications.channels import channel_choices
from notifications.models import ALIVE_SECONDS, BreakerEvent, Category, WorkerHeartbeat
from notifications.models.intake import PASSABLE
from project.desk.audit import one_at_a_time
from project.desk.base import DeskAdmin, ReadOnlyAdmin, column, time_column
from project.desk.filters import TimeRange, word_filter
from project.desk.unfold import CheckboxSelectMultiple
from users.recipients.categories import DEFAULT, record

OUTCOME_LABELS = {"yes": "success", "no": "danger", "open": "danger", "closed": "success"}


def is_alive(worker: WorkerHeartbeat) -> bool:
    return timezone.now() - worker.seen_at <= timedelta(seconds=ALIVE_SECONDS)


hides = column("contents", lambda row: "hidden from everybody" if row.sensitive else "")
kind = column("class", lambda row: row.kind, labels={"mandatory": "danger", "promotional": "warning"})
by_default = column("by default", lambda row: "on" if row.on_by_default else "off")
alive = column("alive", lambda row: "yes" if is_alive(row) else "no", labels=OUTCOME_LABELS)
breaker_state = column("state", lambda row: row.state, labels=OUTCOME_LABELS)
at = time_column("at", "time")


class Words(forms.MultipleChoiceField):
    """Some of these words, None for none of them."""

    def __init__(self, choices: Any, help_text: str, *, label: str) -> None:
        super().__init__(
            choices=choices, required=False, widget=CheckboxSelectMultiple, label=label, help_text=help_text
        )

    def clean(self, value: Any) -> Any:
        return super().clean(value) or None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(initial or [], data)


CHOSEN = {
    "channels": (channel_choices, "None ticked: it goes out on every channel."),
    "passes": (lambda: [(why, why) for why in PASSABLE], "A suppression for these does not keep it from an address."),
}


@admin.register(Category)
class CategoryAdmin(DeskAdmin[Category]):
    """What is known of a category. Each change is recorded, because one of them shows or hides contents."""

    list_display = ("name", kind, by_default, "on_uncertain", hides)
    search_fields = ("name",)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Returns the name for an existing category: callers and rows use it, so another name is another category."""
        return ("name",) if obj else ()

    def formfield_for_dbfield(self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Returns boxes to tick for a column with a list of words. `Category.clean` says what may stand together."""
        if db_field.name in CHOSEN:
            return Words(*CHOSEN[db_field.name], label=db_field.verbose_name.capitalize())
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Category | None = None) -> bool:
        """Returns False for `default`, which is the category of requests that name none."""
        return super().has_delete_permission(request, obj) and (obj is None or obj.name != DEFAULT)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {}

    def save_model(self, request: HttpRequest, obj: Category, form: Any, change: Any) -> None:
        """Saves the category, and what it was and is now. Senders read it within seconds."""
        with one_at_a_time():
            before = Category.objects.filter(pk=obj.pk).first()
            super().save_model(request, obj, form, change)
            record(request.user.get_username(), before, obj)

    def delete_model(self, request: HttpRequest, obj: Category) -> None:
        with one_at_a_time():
            record(request.user.get_username(), obj, None)
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
