"""What workers write down of themselves and their work, and the jobs they are given."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from notifications.channels import channel_choices
from notifications.messages.fields import LENGTHS
from notifications.messages.words import (
    BreakerState,
    WorkerKind,
)
from project.database.word_field import WordField, choices_of

ALIVE_SECONDS = 30  # since a worker was last seen


class SandboxMessage(models.Model):
    """What the sandbox would have sent."""

    notification_id = models.UUIDField(db_index=True)
    channel = WordField(max_length=32, choices=channel_choices)
    receiver = models.CharField(max_length=LENGTHS["receiver"])
    subject = models.CharField(max_length=LENGTHS["subject"], default="", blank=True)
    message = models.TextField()
    html = models.TextField(default="", blank=True)
    sent_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.channel} {self.notification_id}"


class WorkerHeartbeat(models.Model):
    """A sender or scheduler that is alive says so here every few seconds."""

    worker = models.CharField(max_length=100, unique=True)  # host:pid:random:kind
    kind = WordField(max_length=16, choices=choices_of(WorkerKind))
    channels = models.CharField(max_length=255, default="", blank=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["-seen_at"]

    def __str__(self) -> str:
        return f"{self.kind} {self.worker}"


class BreakerEvent(models.Model):
    """A circuit breaker opened or closed in one worker."""

    worker = models.CharField(max_length=100)
    channel = models.CharField(max_length=32)
    provider = models.CharField(max_length=64)
    state = WordField(max_length=16, choices=choices_of(BreakerState))
    cause = models.CharField(max_length=32, default="", blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["channel", "at"], name="breaker_event_channel")]

    def __str__(self) -> str:
        return f"{self.channel}/{self.provider} {self.state}"


class Job(models.Model):
    """Long work: what is to be done and how far it is. A runner leases it for one step at a time."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        PAUSED = "paused"
        CANCELLED = "cancelled"
        DONE = "done"
        FAILED = "failed"

    kind = models.CharField(max_length=32)
    # Of a job that is begun by itself: its kind and period, so that of many runners one makes it.
    key = models.CharField(max_length=100, null=True, blank=True, unique=True)
    parameters = models.JSONField(default=dict, blank=True)
    cursor = models.JSONField(null=True, blank=True)  # where the next step begins, in the words of the kind
    total = models.BigIntegerField(null=True, blank=True)  # items at the beginning; null: not counted yet
    done = models.BigIntegerField(default=0)  # items
    counts = models.JSONField(default=dict, blank=True)  # what was done, by name
    state = WordField(max_length=16, choices=State.choices, default=State.WAITING)
    rate = models.FloatField(null=True, blank=True)  # items a second at most
    actor = models.CharField(max_length=150)
    failures = models.IntegerField(default=0)  # of the present step, in a row
    error = models.CharField(max_length=1000, default="", blank=True)
    due_at = models.DateTimeField(default=timezone.now)  # of the next step
    owner = models.CharField(max_length=32, null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"job {self.pk} ({self.kind})"
