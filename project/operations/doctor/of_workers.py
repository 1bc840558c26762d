"""Checks of who is alive, and of who may come in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from notifications.channels import configured_providers
from notifications.ledger.pauses.telling import in_a_sentence
from notifications.messages.words import PauseKind, WorkerKind
from notifications.models import ALIVE_SECONDS, Pause, WorkerHeartbeat
from project.operations.doctor.examine import LeftOut
from project.operations.verdict import NO_SCHEDULER, NO_SENDER
from users.access.models import ApiKey

SOON = timedelta(days=7)


def senders() -> Iterator[str]:
    """A sender of each channel is alive, of those that have a provider here."""
    alive = _alive(WorkerKind.SENDER)
    if not alive:
        yield NO_SENDER
        return
    served = {channel for worker in alive for channel in worker.channels.split(",")}
    for channel in settings.CHANNELS:
        if channel not in served and _has_provider(channel):
            yield f"No sender of {channel} is alive. Start one with: manage.py run_sender --channels {channel}."


def scheduler() -> Iterator[str]:
    """A scheduler is alive."""
    if not _alive(WorkerKind.SCHEDULER):
        yield NO_SCHEDULER


def pauses() -> Iterator[str]:
    """Nobody keeps anything back by hand."""
    now = timezone.now()
    for pause in Pause.objects.in_force():
        verb = "read_only off" if pause.kind == PauseKind.PLATFORM else f"resume {pause}"
        yield f"{in_a_sentence(pause, now, pause.reason)}. Once that is no longer so: manage.py {verb} --reason …"


def api_keys() -> Iterator[str]:
    """There is a key to call with, and none expires unseen."""
    if not settings.API_KEYS_REQUIRED:
        raise LeftOut("Calls need none.")
    now = timezone.now()
    usable = ApiKey.objects.usable(now)
    if not usable:
        yield "There is none that can be used, so every call is a 401: manage.py create_api_key."
    for key in usable.filter(expires_at__lt=now + SOON):
        yield f"The key {key.prefix} of {key.client} expires at {key.expires_at:%Y-%m-%d %H:%M} UTC: give out another."


def _alive(kind: WorkerKind) -> list[WorkerHeartbeat]:
    since = timezone.now() - timedelta(seconds=ALIVE_SECONDS)
    return list(WorkerHeartbeat.objects.filter(kind=kind, seen_at__gte=since))


def _has_provider(channel: str) -> bool:
    try:
        return bool(configured_providers(channel))
    except ImproperlyConfigured:
        return False
