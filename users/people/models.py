"""The main application's people and their devices."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models

from notifications.channels import channel_choices
from project.database.words import WordField


class User(AbstractUser):
    """Someone who can be notified, or who works in the admin.

    `username` is the main application's id. Only staff have a usable password; everybody else is here for
    their devices.
    """

    username = models.CharField(
        "username",
        max_length=150,
        unique=True,
        validators=[
            RegexValidator(r"\A[^\s/\x00-\x1f\x7f]+\Z", "Must not contain white space, slashes or control characters.")
        ],
        help_text="The main application's id of this user.",
        error_messages={"unique": "A user with that username exists."},
    )
    name = models.CharField(max_length=255, blank=True)

    class Meta:
        ordering: ClassVar = ["username"]

    def get_full_name(self) -> str:
        return self.name or super().get_full_name()


class Device(models.Model):
    """An address of a user on one channel. Lower positions are preferred."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="devices")
    channel = WordField(max_length=32, choices=channel_choices)
    address = models.CharField(max_length=1024)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.channel} device of {self.user_id}"
