"""The directory of users and their devices, kept by the main application, and the API keys."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import ClassVar, Self

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from notifications.channels import channel_choices

SCOPES = ("send", "read", "users", "metrics")


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
    channel = models.CharField(max_length=32, choices=channel_choices)
    address = models.CharField(max_length=1024)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["position", "id"]

    def __str__(self) -> str:
        return f"{self.channel} device of {self.user_id}"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self, now: datetime) -> Self:
        """Neither revoked nor past its expiry."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now), revoked_at=None)


class ApiKey(models.Model):
    """A main application's way in. Only a hash is kept; `prefix` finds the row, `digest` proves the key."""

    prefix = models.CharField(max_length=16, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)  # hex SHA-256 of the whole key
    name = models.CharField(max_length=100)
    client = models.CharField(
        max_length=100, help_text="The name that rotating keys share; idempotency keys are per client."
    )
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        verbose_name = "API key"
        ordering: ClassVar = ["client", "name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @staticmethod
    def digest_of(key: str) -> str:
        return hashlib.sha256(key.encode()).hexdigest()

    @classmethod
    def issue(
        cls, *, name: str, client: str, scopes: list[str], expires_at: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """A new key: its row, and the plaintext that is shown once and kept nowhere."""
        prefix = secrets.token_hex(6)
        key = f"ntf_{prefix}_{secrets.token_urlsafe(32)}"
        row = cls.objects.create(
            prefix=prefix, digest=cls.digest_of(key), name=name, client=client, scopes=scopes, expires_at=expires_at
        )
        return row, key

    def revoke(self) -> None:
        """From now on refused (by processes that cached it, within a minute)."""
        type(self).objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=timezone.now())
