"""What people chose, and the addresses to which nothing is sent."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from notifications.channels import channel_choices
from notifications.messages.fields import LENGTHS
from notifications.messages.words import SuppressedFor
from project.database.word_field import WordField, choices_of


class PersonPreferences(models.Model):
    """All that a person chose, in one document: `decide.Preferences` as JSON. No row: they chose nothing.

    It belongs to a username and not to a row of the directory: whoever is deleted there and made again has
    unsubscribed still. Erasing a person removes it.
    """

    username = models.CharField(max_length=LENGTHS["user"], primary_key=True)
    document = models.TextField()
    changed_at = models.DateTimeField(default=timezone.now, db_index=True)  # senders look for what is new

    class Meta:
        verbose_name = verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"preferences of {self.username}"


class PreferenceEvent(models.Model):
    """A change of what a person chose: who made it, what, from where and when. Rows are only added."""

    username = models.CharField(max_length=LENGTHS["user"])
    at = models.DateTimeField(db_default=Now())
    actor = models.CharField(max_length=150)  # an API key, one of the staff, or the person
    source = models.CharField(max_length=32)  # api, page, unsubscribe, staff
    what = models.CharField(max_length=200)  # the cell or the setting
    before = models.CharField(max_length=200, default="", blank=True)
    after = models.CharField(max_length=200, default="", blank=True)
    reason = models.CharField(max_length=1000, default="", blank=True)
    address = models.CharField(max_length=64, default="", blank=True)  # the network of the caller, cut

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["username", "id"], name="preference_event_person")]

    def __str__(self) -> str:
        return f"{self.what} of {self.username}"


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    def in_force(self) -> SuppressionQuerySet:
        return self.filter(Q(until__isnull=True) | Q(until__gt=Now()))


class Suppression(models.Model):
    """An address to which nothing is sent, or nothing of one category, and why.

    The address is there as its hash alone, so that the row may stay when its person is erased.
    """

    address_hash = models.CharField(max_length=32)
    channel = WordField(max_length=32, choices=channel_choices)
    scope = models.CharField(max_length=LENGTHS["category"], default="", blank=True, help_text="A category; or all.")
    reason = WordField(max_length=16, choices=choices_of(SuppressedFor))
    score = models.FloatField(default=0.0)  # of soft bounces; see `until`
    evidence = models.CharField(max_length=1000, default="", blank=True)
    provider = models.CharField(max_length=64, default="", blank=True)
    since = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(null=True, blank=True)
    changed_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["address_hash", "scope", "reason"], name="suppression_once_for_each_reason")
        ]

    def __str__(self) -> str:
        return f"suppression of an address of {self.channel}"


class CapPlace(models.Model):
    """A place of a cap that a notification has taken. Whether it counts is in the ledger; see caps.py."""

    person = models.CharField(max_length=LENGTHS["user"])  # or the hash of an address
    scope = models.CharField(max_length=LENGTHS["category"])  # of `decide.caps_of`
    notification_id = models.UUIDField()
    at = models.DateTimeField(db_index=True)  # of its last claim

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["notification_id", "scope"], name="cap_place_once_for_each_cap")
        ]
        indexes: ClassVar = [models.Index(fields=["person", "scope", "at"], name="cap_place_person")]

    def __str__(self) -> str:
        return f"place of {self.notification_id}"
