"""What the sandbox keeps instead of sending it, as masked and as hidden as the notifications that it was made of."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html

from notifications.channels import channel_choices, masked
from notifications.models import Notification, SandboxMessage
from project.desk.base import ReadOnlyAdmin, column, is_list, time_column
from project.desk.filters import TimeRange, word_filter
from project.desk.rights import SUBJECTS, may_any
from project.desk.search import ExactSearch
from project.desk.sight import LONGEST_FIRST_WORDS, Sight, sight_of
from project.desk.spelling import as_id


def _sight(row: SandboxMessage) -> Sight:
    """Returns what the person who asked for this row may see; the page writes it down when it reads the row."""
    sight: Sight = vars(row)["sight"]
    return sight


def _about(row: SandboxMessage) -> str:
    return _sight(row).about(vars(row)["category"], row.subject, vars(row)["beginning"])


def _content(row: SandboxMessage) -> str:
    content = _sight(row).texts(vars(row)["category"], row.message, subject=row.subject, html=row.html)
    reveal = reverse("admin:notifications_notification_reveal", args=[row.notification_id, "content"])
    return render_to_string("desk/content.html", {"content": content, "reveal": reveal})


def _notification(row: SandboxMessage) -> str:
    page = reverse("admin:notifications_notification_change", args=[row.notification_id])
    return format_html('<a class="desk-link" href="{}">{}</a>', page, row.notification_id)


sent = time_column("sent_at", "sent")
about = column("about", _about)
content = column("content", _content)
notification = column("notification", _notification)
receiver = column("receiver", lambda row: _sight(row).address(row.channel, row.receiver))
masked_receiver = column("receiver", lambda row: masked(row.channel, row.receiver))


@admin.register(SandboxMessage)
class SandboxMessageAdmin(ExactSearch[SandboxMessage], ReadOnlyAdmin[SandboxMessage]):
    list_display = (sent, "channel", masked_receiver, about)
    list_display_links = (sent,)
    list_filter = (word_filter("channel", channel_choices), ("sent_at", TimeRange))
    search_fields = ("notification_id",)
    what_is_here = "Channels without a provider send nothing: what they would have sent is here."
    search_help_text = "Exact notification id"
    ordering = ("-id",)
    sortable_by = ()
    fields: ClassVar[Any] = (sent, "channel", receiver, content, notification)
    readonly_fields: ClassVar[Any] = fields

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return shown if may_any(request, SUBJECTS) else [each for each in shown if each is not about]

    def get_queryset(self, request: HttpRequest) -> QuerySet[SandboxMessage]:
        """Returns the rows with the beginning of a text, where a list is shown: the whole can be half a megabyte."""
        queryset = super().get_queryset(request)
        if not is_list(request):
            return queryset
        return queryset.defer("message", "html").annotate(beginning=Left("message", LONGEST_FIRST_WORDS + 1))

    def rows_of_page(self, request: HttpRequest, rows: QuerySet[SandboxMessage]) -> list[SandboxMessage]:
        return _seen(request, list(rows))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> SandboxMessage | None:
        row = super().get_object(request, object_id, from_field)
        return _seen(request, [row])[0] if row else None

    def find(self, queryset: QuerySet[SandboxMessage], term: str, most: int) -> QuerySet[SandboxMessage]:
        found = as_id(term)
        return queryset.filter(notification_id=found) if found else queryset.none()


def _seen(request: HttpRequest, rows: list[SandboxMessage]) -> list[SandboxMessage]:
    """Notes beside each row what this person may see, and the category of its notification; None where that is gone."""
    ids = [row.notification_id for row in rows]
    categories = dict(Notification.objects.filter(pk__in=ids).values_list("pk", "category"))
    sight = sight_of(request)
    for row in rows:
        vars(row).update(sight=sight, category=categories.get(row.notification_id))
    return rows
