"""What is left of people who were erased: keyed hashes, so that what is still on its way to them is not sent."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone


class Forgetting(models.Model):
    """One request to erase a person, and what its job looks for until it is done; no page shows that."""

    person = models.CharField(max_length=32, db_index=True)  # messages.ids.person_hash
    words = models.JSONField(null=True, blank=True)  # the username and the addresses; null once the job is done
    job_id = models.BigIntegerField(null=True, blank=True)
    before = models.DateTimeField()  # what was accepted until then is erased
    asked_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"forgetting {self.pk}"


class ForgottenHash(models.Model):
    """A person or a receiver to whom nothing is sent that was accepted before this time (sending/gates.py)."""

    hash = models.CharField(max_length=32, primary_key=True)
    before = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["hash"]

    def __str__(self) -> str:
        return f"forgotten before {self.before}"
