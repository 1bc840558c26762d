"""The registered channels and their providers, by the dotted paths in `settings.CHANNELS`."""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string

from notifications.channels.base import Channel, NotConfigured, Provider
from notifications.channels.sandbox import Sandbox, Store
from project.caching import cache_of_settings


def channel_names() -> list[str]:
    return list(settings.CHANNELS)


def channel_choices() -> list[tuple[str, str]]:
    """Returns Django's choices. A callable, so that a new channel needs no migration."""
    return [(name, name) for name in settings.CHANNELS]


@cache_of_settings
def channel_class(name: str) -> type[Channel]:
    """Returns the rules of the channel of that name. Raises KeyError where there is none."""
    found: type[Channel] = import_string(settings.CHANNELS[name]["rules"])
    return found


def channel_in_words(name: str) -> str:
    """Returns how pages name a channel, such as "E-mail"; its name where it is no longer registered."""
    return (channel_class(name).in_words if name in settings.CHANNELS else "") or name


def masked(channel: str, receiver: str) -> str:
    """Returns a receiver as lists may show it, and nothing of it where its channel is no longer registered."""
    try:
        return channel_class(channel).mask(receiver)
    except KeyError:
        return "…"


def domain_of(channel: str, receiver: str) -> str:
    """Returns the domain of a receiver, or "" where its channel has none or is no longer registered."""
    try:
        return channel_class(channel).domain(receiver)
    except KeyError:
        return ""


def configured_providers(channel: str) -> list[Provider]:
    """Returns the providers of a channel that have their settings, in the order in which they are asked.

    Raises NotConfigured where none has, and ImproperlyConfigured where the settings of one are wrong.
    """
    providers: list[Provider] = []
    missing: list[str] = []
    for path in settings.CHANNELS[channel]["route"]:
        try:
            providers.append(import_string(path).from_settings())
        except NotConfigured as error:
            missing.append(str(error))
    if not providers:
        raise NotConfigured(" ".join(dict.fromkeys(missing)) or f"The {channel} channel has no provider.")
    return providers


def open_providers(channel: str, store: Store) -> list[Provider]:
    """Returns the channel's configured providers, or the sandbox where there are none and it is allowed.

    `store` keeps what the sandbox would have sent. Raises ImproperlyConfigured.
    """
    try:
        return configured_providers(channel)
    except NotConfigured:
        if not settings.SANDBOX_ALLOWED:
            raise
        return [Sandbox(channel, store)]
