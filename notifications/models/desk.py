"""What staff did, and the figures that their pages show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from notifications.channels.outcomes import Cause
from notifications.messages.words import (
    Happened,
    StaffVerb,
)
from project.database.word_field import WordField, choices_of


class StaffAction(models.Model):
    """Who did what in the admin, and when. Nobody can change or delete it there."""

    actor = models.CharField(max_length=150)
    action = WordField(max_length=32, choices=choices_of(StaffVerb))
    target = models.CharField(max_length=100, db_index=True)  # such as "dead letter 17"
    notification_id: models.UUIDField[UUID | None, UUID | None] = models.UUIDField(null=True, blank=True, db_index=True)
    note = models.CharField(max_length=1000, default="", blank=True)  # what was done, where the verb does not say it
    reason = models.CharField(max_length=1000, default="", db_default="", blank=True)  # why, in the person's own words
    before = models.CharField(max_length=255, default="", db_default="", blank=True)  # masked
    after = models.CharField(max_length=255, default="", db_default="", blank=True)  # masked
    before_hash = models.CharField(max_length=32, default="", db_default="", blank=True)
    after_hash = models.CharField(max_length=32, default="", db_default="", blank=True)
    flagged = models.BooleanField(
        default=False, db_default=False
    )  # somebody should look at it: a redirect to an unknown address
    run_id = models.BigIntegerField(null=True, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["actor", "id"], name="staff_action_actor"),
            models.Index(fields=["action", "id"], name="staff_action_action"),
            models.Index(fields=["id"], name="staff_action_flagged", condition=models.Q(flagged=True)),
        ]

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.target}"


class Minute(models.Model):
    """How often something happened in one minute. Pages read this, and never count the ledger.

    `happened` is a word of `Happened`. Processes count in memory and add what they have every few seconds, so a crash
    loses seconds of these figures: they are for people and charts, and the balance does not use them.
    """

    minute = models.DateTimeField()
    channel = models.CharField(max_length=32)
    provider = models.CharField(max_length=64, default="", blank=True)
    happened = WordField(max_length=16, choices=choices_of(Happened))
    cause = WordField(max_length=32, choices=choices_of(Cause), default="", blank=True)
    count = models.BigIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["minute"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["minute", "channel", "provider", "happened", "cause"], name="minute_once_for_each_word"
            )
        ]

    def __str__(self) -> str:
        return f"{self.minute} {self.channel} {self.happened} {self.count}"


class Standing(models.Model):
    """Figures of one kind as a scheduler last counted them, such as what waits and what is queued."""

    class Name(models.TextChoices):
        WAITING = "waiting"  # channel → reason → rows, oldest
        QUEUED = "queued"  # channel → rows, oldest
        LAGS = "lags"  # topic → records
        OUTBOX = "outbox"  # rows; for how many seconds the most overdue row has been due
        JOBS = "jobs"  # kind → state → jobs
        PROBLEMS = "problems"  # cause → open letters, see dlq.problem_counts

    name = models.CharField(max_length=32, primary_key=True)
    figures = models.JSONField(default=dict)
    as_of = models.DateTimeField()

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def note(figures: Mapping[str, Mapping[str, Any]]) -> None:
        """Writes figures down, by their name, with the database's time. Takes one statement."""
        rows = [Standing(name=name, figures=dict(figures[name]), as_of=Now()) for name in sorted(figures)]
        Standing.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["name"], update_fields=["figures", "as_of"]
        )
