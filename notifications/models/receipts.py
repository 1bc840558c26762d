"""What providers report afterwards of notifications and receivers."""

from __future__ import annotations

from typing import ClassVar
from uuid import UUID

from django.db import models
from django.db.models import Q
from django.utils import timezone

from notifications.channels import channel_choices
from notifications.channels.receipts import ReceiptType
from project.database.word_field import WordField, choices_of


class ReceiptQuerySet(models.QuerySet["Receipt"]):
    def without_notification(self) -> ReceiptQuerySet:
        return self.filter(notification_id__isnull=True)


class Receipt(models.Model):
    """One event of a provider's, once. Rows are only added, so no order in which events come makes a difference.

    The address is there as its hash alone. `key` is equal for an event that comes again, perhaps under a new id of its
    own. Without a `notification_id` nobody knows yet what was sent; it is looked for again at `look_at`.
    """

    key = models.CharField(max_length=32, unique=True)
    provider = models.CharField(max_length=64)
    provider_message_id = models.CharField(max_length=255, default="", blank=True)
    channel = WordField(max_length=32, choices=channel_choices)
    receiver_hash = models.CharField(max_length=32)
    notification_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True, blank=True)
    type = WordField(max_length=16, choices=choices_of(ReceiptType))
    detail = models.CharField(max_length=1000, default="", blank=True)
    at = models.DateTimeField()  # when it happened, as far as the provider says so
    received_at = models.DateTimeField(default=timezone.now, db_index=True)
    look_at = models.DateTimeField(null=True, blank=True)

    objects = ReceiptQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["notification_id"], name="receipt_notification", condition=Q(notification_id__isnull=False)
            ),
            models.Index(fields=["receiver_hash"], name="receipt_receiver", condition=Q(notification_id__isnull=True)),
            models.Index(fields=["look_at"], name="receipt_unmatched", condition=Q(look_at__isnull=False)),
            models.Index(
                fields=["provider_message_id"], name="receipt_message", condition=Q(notification_id__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"receipt {self.pk}: {self.type}"
