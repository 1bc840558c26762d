"""What providers have reported without a notification here: found by the provider's id of the message."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from notifications.channels import channel_choices
from notifications.channels.receipts import ReceiptType
from notifications.ledger.receipts import LAST_LOOK, MATCHED_WITHIN
from notifications.models import Receipt
from project.database.word_field import choices_of
from project.desk.audit import printed
from project.desk.base import ReadOnlyAdmin, column, time_column
from project.desk.filters import TextFilter, TimeRange, word_filter
from project.desk.search import ExactSearch
from project.desk.spelling import message_ids

OF_THEIR_OWN = {ReceiptType.STOP, ReceiptType.START}
HOURS, DAYS = round(LAST_LOOK / 3600), MATCHED_WITHIN.days


class OfAddress(TextFilter):
    """Those about one address, by its hash, where the page of a suppression has led here."""

    title = "address"
    parameter_name = "receiver_hash"


def why(row: Receipt) -> str:
    """Returns why it has no notification."""
    kind = ReceiptType(row.type)
    if kind in OF_THEIR_OWN:
        return "It is a text of the receiver's own, and about no notification."
    if kind.state is None:
        return "It is about the address, and about no notification."
    if not row.provider_message_id:
        return "The provider names no message."
    if row.look_at is not None:
        return f"None was found yet. It is looked for again at {printed(row.look_at)}."
    return (
        f"For {HOURS} hours none with this id was found that went to this address in the last {DAYS} days. Something "
        "else may send with the same account at the provider."
    )


def _address(row: Receipt) -> str:
    page = reverse("admin:users_suppression_changelist")
    link = '<a class="desk-link" href="{}?address_hash={}">{}</a>'
    return format_html(link, page, row.receiver_hash, row.receiver_hash)


received, at = time_column("received_at", "received"), time_column("at", "happened")
message_id = column("provider's id", lambda row: row.provider_message_id)
reason, address = column("why it has no notification", why), column("address, as its hash", _address)


@admin.register(Receipt)
class ReceiptAdmin(ExactSearch[Receipt], ReadOnlyAdmin[Receipt]):
    list_display = (received, "provider", "channel", "type", message_id, reason)
    list_display_links = (received,)
    list_filter = (
        OfAddress,
        word_filter("channel", channel_choices),
        word_filter("type", lambda: choices_of(ReceiptType)),
        ("received_at", TimeRange),
    )
    search_fields = ("provider_message_id",)
    search_help_text = "Exact id of the message at its provider"
    what_is_here = "What providers reported and belongs to no notification is listed here."
    ordering = ("-id",)
    sortable_by = ()
    fields: ClassVar[Any] = (
        *(reason, received, at, "provider", "channel", "type"),
        *(message_id, "detail", address),
    )
    readonly_fields: ClassVar[Any] = fields

    def get_queryset(self, _request: HttpRequest) -> QuerySet[Receipt]:
        """Returns those without a notification. The others are on the page of theirs."""
        return Receipt.objects.without_notification().order_by(*self.ordering)

    def find(self, queryset: QuerySet[Receipt], term: str, most: int) -> QuerySet[Receipt]:
        return queryset.filter(provider_message_id__in=message_ids(term))
