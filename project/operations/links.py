"""Addresses of the lists that the overview counts, for whoever may see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone


def is_there(name: str) -> bool:
    """Says whether the admin has pages for a model, such as "dlq_problem"."""
    app, _, model = name.rpartition("_")
    return admin.site.is_registered(apps.get_model(app, model))


def may_see(request: HttpRequest, name: str) -> bool:
    """Says whether this person may open the list of a model, and there is one."""
    app, _, model = name.rpartition("_")
    rights = [f"{app}.{right}_{model}" for right in ("view", "change")]
    return is_there(name) and any(request.user.has_perm(right) for right in rights)


@dataclass(frozen=True, slots=True)
class Links:
    """Each gives an address, or "" where this person may not see the list."""

    request: HttpRequest

    @property
    def in_kafka(self) -> bool:
        """Says whether what is queued is in Kafka, where no list shows it."""
        return bool(settings.KAFKA_BOOTSTRAP_SERVERS)

    def notifications(self, **parameters: str) -> str:
        return self.to("notifications_notification", parameters)

    def letters(self, **parameters: str) -> str:
        return self.to("dlq_deadletter", parameters)

    def to(self, name: str, parameters: Mapping[str, str] | None = None) -> str:
        if not may_see(self.request, name):
            return ""
        address = reverse(f"admin:{name}_changelist")
        return f"{address}?{urlencode(parameters)}" if parameters else address

    def to_one(self, name: str, key: object) -> str:
        return reverse(f"admin:{name}_change", args=[key]) if may_see(self.request, name) else ""

    @staticmethod
    def span(field: str, begin: datetime, end: datetime) -> dict[str, str]:
        """Returns the parameters of a list's filter by time."""
        found: dict[str, str] = {}
        for name, moment in (("from", begin), ("to", end)):
            there = timezone.localtime(moment)
            found |= {f"{field}_{name}_0": f"{there:%Y-%m-%d}", f"{field}_{name}_1": f"{there:%H:%M:%S}"}
        return found
