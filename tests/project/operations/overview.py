"""What the tests of the overview make: workers that are alive, counted minutes, and what a scheduler last counted."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.channels import channel_names
from notifications.messages.words import Happened
from notifications.models import BreakerEvent, Minute, Standing, WorkerHeartbeat
from project.operations.channel_rows import ChannelRow
from project.operations.dashboard import Overview

INDEX = reverse("admin:index")
SENDER = "host:1:sender"


def worker(kind: str, name: str, *, seen_at: datetime | None = None, channels: str = "") -> None:
    seen = seen_at or timezone.now()
    WorkerHeartbeat.objects.create(worker=name, kind=kind, channels=channels, started_at=seen, seen_at=seen)


def alive(channels: str = "EMAIL,SLACK,SMS") -> None:
    """A sender and a scheduler that work, and have nothing to do."""
    worker("sender", SENDER, channels=channels)
    worker("scheduler", "host:1:scheduler")
    counted()


def counted(**figures: Any) -> None:
    """What a scheduler counted just now: nothing, unless `figures` say otherwise, such as waiting={…}."""
    nothing: dict[str, Any] = {
        "waiting": {},
        "queued": {channel: {"rows": 0, "oldest": None} for channel in channel_names()},
        "outbox": {"rows": 0, "overdue": 0.0},
        "jobs": {"prune": {"failed": 0}},
        "problems": {},
    }
    Standing.note(nothing | figures)


def minute(count: int, *, ago: timedelta, happened: Happened = Happened.SENT, channel: str = "EMAIL") -> None:
    moment = (timezone.now() - ago).replace(second=0, microsecond=0)
    row, _ = Minute.objects.get_or_create(minute=moment, channel=channel, happened=happened)
    Minute.objects.filter(pk=row.pk).update(count=count)


def opened(provider: str = "smtp", *, ago: timedelta = timedelta(minutes=9), name: str = SENDER) -> BreakerEvent:
    """A breaker's event in that worker: open."""
    fields = {"worker": name, "channel": "EMAIL", "provider": provider, "state": "open", "cause": "connection"}
    return BreakerEvent.objects.create(at=timezone.now() - ago, **fields)


def overview(client: Client) -> Overview:
    found = client.get(INDEX).context["overview"]
    assert isinstance(found, Overview)
    return found


def sentences(client: Client) -> str:
    return " ".join(sentence.text for sentence in overview(client).verdict.sentences)


def channel(client: Client, name: str = "E-mail") -> ChannelRow:
    return next(row for row in overview(client).channels if row.name == name)


def links(page: str) -> list[str]:
    """Every link of the part of the page that is ours, and of its bars."""
    content = page[page.index('class="desk-overview"') :]
    found = re.findall(r'href="(/admin/[^"]+)"', content) + re.findall(
        r"&quot;(/admin/[^&]*(?:&amp;[^&]+)*)&quot;", content
    )
    return [each.replace("&amp;", "&") for each in found]
