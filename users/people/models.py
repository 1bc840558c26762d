"""The main application's people and their devices."""

from __future__ import annotations

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Func, Value
from django.db.models.functions import Lower, Replace

from notifications.channels import channel_choices
from project.database.word_field import WordField

# The name without what stands behind its last blank: trimming every character that the name has but blanks leaves it.
_FIRST_NAMES = Func(F("name"), Replace("name", Value(" ")), function="RTRIM", output_field=models.CharField())


def _searched(expression: F | Func) -> models.GeneratedField:
    """Returns a column that the database computes, for the search without regard to case."""
    return models.GeneratedField(
        expression=Lower(expression), output_field=models.CharField(max_length=255), db_persist=True
    )


class User(models.Model):
    """A person of the main application: somebody who can be notified. Not an account: nobody logs in as one.

    `username` is the main application's id. Staff are accounts of Django's own, `django.contrib.auth.models.User`.
    """

    username = models.CharField(
        "username",
        max_length=150,
        unique=True,
        validators=[
            RegexValidator(r"\A[^\s/\x00-\x1f\x7f]+\Z", "Must not contain white space, slashes or control characters.")
        ],
        help_text="The main application's id of this person.",
        error_messages={"unique": "A person with that username exists."},
    )
    name = models.CharField(max_length=255, blank=True)
    searched_username = _searched(F("username"))
    searched_name = _searched(F("name"))
    searched_last_name = _searched(Func(F("name"), _FIRST_NAMES, Value(""), function="REPLACE"))

    class Meta:
        verbose_name = "person"
        verbose_name_plural = "people"
        ordering: ClassVar = ["username"]
        # The classes of operators let PostgreSQL answer a search for a beginning whatever its collation.
        indexes: ClassVar = [
            models.Index(fields=[f"searched_{each}"], name=f"person_{each}", opclasses=["varchar_pattern_ops"])
            for each in ("username", "name", "last_name")
        ]

    def __str__(self) -> str:
        return self.username


class Device(models.Model):
    """An address of a person on one channel. Lower positions are preferred."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices")
    channel = WordField(max_length=32, choices=channel_choices)
    address = models.CharField(max_length=1024)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]
        indexes: ClassVar = [models.Index(Lower("address"), name="device_address")]

    def __str__(self) -> str:
        return f"{self.channel} device of {self.user_id}"
