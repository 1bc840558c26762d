"""Where the registered channels are found."""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from notifications.channels.base import Channel

SANDBOX = "notifications.channels.sandbox.Sandbox"


@cache
def channel_class(name: str) -> type[Channel]:
    """The registered channel class of that name; KeyError where there is none."""
    found: type[Channel] = import_string(settings.CHANNELS[name])
    return found


def masked(channel: str, receiver: str) -> str:
    """A receiver as lists may show it; a channel that is no longer registered shows nothing of it."""
    try:
        return channel_class(channel).mask(receiver)
    except KeyError:
        return "…"


def channel_names() -> list[str]:
    return list(settings.CHANNELS)


def channel_choices() -> list[tuple[str, str]]:
    """Django's choices, as a callable so that a new channel needs no migration."""
    return [(name, name) for name in settings.CHANNELS]


def open_channel(name: str) -> Channel:
    """The channel ready to send, or the sandbox where it has no credentials and the sandbox is allowed."""
    try:
        return channel_class(name).from_settings()
    except ImproperlyConfigured:
        if not settings.SANDBOX_ALLOWED:
            raise
        sandbox: Channel = import_string(SANDBOX).of(name)
        return sandbox
