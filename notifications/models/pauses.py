"""What staff have paused, and had paused before."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from notifications.channels import channel_in_words
from notifications.messages.fields import LENGTHS
from notifications.messages.words import PauseKind
from project.database.word_field import WordField, choices_of


class PauseQuerySet(models.QuerySet["Pause"]):
    def in_force(self) -> Self:
        """Those that keep something from being sent now, by the database's clock."""
        return self.filter(Q(until__isnull=True) | Q(until__gt=Now()), ended_at__isnull=True)


class Pause(models.Model):
    """One pause by hand, from its beginning to its end. Rows are never removed, and nothing but the end is added.

    One that ends by itself at `until` has no `ended_at`. `released` says that nothing waits any more that it stopped.
    """

    kind = WordField(max_length=16, choices=choices_of(PauseKind))
    name = models.CharField(max_length=LENGTHS["category"], blank=True)  # none of the platform
    actor = models.CharField(max_length=150)
    reason = models.CharField(max_length=1000)
    began_at = models.DateTimeField()
    until = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.CharField(max_length=150, default="", blank=True)
    released = models.BooleanField(default=False)

    objects = PauseQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # Whoever pauses what is paused already ends that pause first, so two people cannot both begin one.
            models.UniqueConstraint(fields=["kind", "name"], condition=Q(ended_at__isnull=True), name="pause_once")
        ]

    def __str__(self) -> str:
        return target_of(self.kind, self.name)

    @property
    def in_words(self) -> str:
        """Returns what is paused, as a sentence begins with it."""
        if self.kind == PauseKind.CHANNEL:
            return channel_in_words(self.name)
        return f"{PauseKind(self.kind).in_words} {self.name}".strip()


def target_of(kind: str, name: str) -> str:
    """Returns what is paused as commands and staff actions name it: EMAIL, provider:twilio, platform."""
    if kind in (PauseKind.CHANNEL, PauseKind.PLATFORM):
        return name or kind
    return f"{kind}:{name}"
