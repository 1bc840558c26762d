"""Dead letters: what could not be delivered, until a person or a late success resolves it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from notifications.channels import channel_choices
from notifications.channels.outcomes import Cause
from notifications.messages.words import LetterEvent
from notifications.models import Notification
from project.database.word_field import WordField, choices_of


class DeadLetter(models.Model):
    """A dead or held notification, or a record that could not be read and so has no notification.

    Its state goes from open to replaying, and from there to resolved or back to open; or from open to discarded.
    """

    class State(models.TextChoices):
        OPEN = "open"
        REPLAYING = "replaying"
        RESOLVED = "resolved"
        DISCARDED = "discarded"

    notification = models.OneToOneField(
        Notification, on_delete=models.CASCADE, related_name="dead_letter", null=True, blank=True, db_constraint=False
    )
    state = WordField(max_length=16, choices=State, default=State.OPEN)
    channel = WordField(max_length=32, choices=channel_choices, default="", blank=True)
    cause = WordField(max_length=32, choices=choices_of(Cause))
    error = models.CharField(max_length=1000, default="", blank=True)
    attempts = models.IntegerField(default=0)
    raw = models.BinaryField(null=True, blank=True)  # the record's bytes, where there is no notification
    topic = models.CharField(max_length=249, default="", blank=True)
    partition = models.IntegerField(null=True, blank=True)
    offset = models.BigIntegerField(null=True, blank=True)
    deaths = models.IntegerField(default=1)  # times it was opened
    discard_reason = models.CharField(max_length=1000, default="", blank=True)
    died_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["state", "channel", "cause"], name="letter_state_channel_cause"),
            models.Index(fields=["died_at"], name="letter_died_at"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["topic", "partition", "offset"],
                name="letter_once_for_each_unreadable_record",
                condition=Q(notification__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"dead letter {self.pk}"


class DeadLetterEvent(models.Model):
    """An event for the dlq topic. The scheduler publishes it and notes the time."""

    event = WordField(max_length=16, choices=choices_of(LetterEvent))
    notification_id = models.UUIDField(null=True, blank=True)
    channel = models.CharField(max_length=32, default="", blank=True)
    cause = models.CharField(max_length=32, default="", blank=True)
    error = models.CharField(max_length=1000, default="", blank=True)
    attempts = models.IntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="event_unpublished", condition=Q(published_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.notification_id}"
