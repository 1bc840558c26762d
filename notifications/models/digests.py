"""Digests: what several notifications to one receiver go out as."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from notifications.channels import channel_choices
from notifications.messages.fields import LENGTHS
from notifications.messages.words import DigestState
from project.database.word_field import WordField, choices_of


class Digest(models.Model):
    """One digest, from the first notification that is folded into it until what became of all of them is known.

    Its members are the rows of the ledger with its `digest_id`. `joined` counts how often a row joined, some of which
    may have left. Once it is closed, `notification_id` is what goes out for its members; without one, nothing went
    out, or its only member did.
    """

    username = models.CharField(max_length=LENGTHS["user"], default="", blank=True)
    channel = WordField(max_length=32, choices=channel_choices)
    receiver_hash = models.CharField(max_length=32)
    category = models.CharField(max_length=LENGTHS["category"])
    client = models.CharField(max_length=LENGTHS["client"])
    state = WordField(max_length=16, choices=choices_of(DigestState))
    joined = models.IntegerField()
    opened_at = models.DateTimeField()
    closes_at = models.DateTimeField()
    limit_at = models.DateTimeField(
        null=True, blank=True
    )  # whoever joins puts off its closing until then; null: nobody
    look_at = models.DateTimeField()  # when a scheduler looks at it next
    notification_id = models.UUIDField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["receiver_hash", "username", "channel", "category", "client"],
                condition=Q(state=DigestState.OPEN.value),
                name="digest_open_once",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["look_at"], name="digest_look_at", condition=~Q(state=DigestState.ENDED.value)),
            models.Index(fields=["username"], name="digest_person", condition=~Q(username="")),
            models.Index(fields=["receiver_hash"], name="digest_receiver"),
        ]

    def __str__(self) -> str:
        return f"digest {self.pk}"
