"""The API keys and what they have used of their limits."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

SCOPES = ("send", "read", "users", "configure", "metrics")


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
    channels = models.JSONField(default=list, blank=True)  # it may send on these alone; none named: on every one
    per_minute = models.PositiveIntegerField(null=True, blank=True)  # requests; users/access/limits.py counts
    notifications_a_day = models.PositiveIntegerField(null=True, blank=True)
    texts_a_day = models.PositiveIntegerField(null=True, blank=True)
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

    @staticmethod
    def was_issued(key: str) -> bool:
        """Returns True where `issue` made this key with a secret key of this site, which nobody else can do.

        False for keys of version 1.0, whose prefix was random.
        """
        prefix, _, secret = key.removeprefix("ntf_").partition("_")
        known = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        return any(constant_time_compare(prefix, _prefix_of(secret, one)) for one in known)

    @classmethod
    def issue(
        cls,
        *,
        name: str,
        client: str,
        scopes: list[str],
        channels: Sequence[str] = (),
        per_minute: int | None = None,
        notifications_a_day: int | None = None,
        texts_a_day: int | None = None,
        expires_at: datetime | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key: its row, and the plaintext that is shown once and kept nowhere."""
        secret = secrets.token_urlsafe(32)
        prefix = _prefix_of(secret, settings.SECRET_KEY)
        key = f"ntf_{prefix}_{secret}"
        row = cls.objects.create(
            prefix=prefix,
            digest=cls.digest_of(key),
            name=name,
            client=client,
            scopes=scopes,
            channels=list(channels),
            per_minute=per_minute,
            notifications_a_day=notifications_a_day,
            texts_a_day=texts_a_day,
            expires_at=expires_at,
        )
        return row, key

    def revoke(self) -> None:
        """From now on refused: at once in this process, within seconds in others (users/access/keys.py)."""
        self.revoked_at = self.revoked_at or timezone.now()
        self.save(update_fields=["revoked_at"])


class KeyUsage(models.Model):
    """How much of a limit an API key has used since its present minute or day began; one row for each limit."""

    key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="usage")
    kind = models.CharField(max_length=16)  # requests, notifications, texts
    since = models.DateTimeField()
    used = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["key", "kind"], name="usage_once_for_each_limit")]

    def __str__(self) -> str:
        return f"{self.used} {self.kind} of API key {self.key_id}"


def _prefix_of(secret: str, secret_key: str | bytes) -> str:
    """The prefix of the API key with this secret: a keyed hash, so that only we can make one that fits."""
    return salted_hmac("users.ApiKey", secret, secret=secret_key, algorithm="sha256").hexdigest()[:12]
