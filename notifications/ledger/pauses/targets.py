"""What can be paused, as commands and forms name it: EMAIL, provider:twilio, category:news, client:shop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from notifications.channels import channel_names, configured_providers
from notifications.channels.base import NotConfigured
from notifications.channels.sandbox import Sandbox
from notifications.messages.words import PauseKind
from notifications.models import Category, Pause
from notifications.models.pauses import target_of
from users.access.keys import LOCAL
from users.access.models import ApiKey

MOST_NAMED = 50  # names that an error lists
NAMED = (PauseKind.PROVIDER, PauseKind.CATEGORY, PauseKind.CLIENT)


class Target(NamedTuple):
    kind: PauseKind
    name: str

    def __str__(self) -> str:
        return target_of(self.kind, self.name)


PLATFORM = Target(PauseKind.PLATFORM, "")


class UnknownTarget(ValueError):
    """Nothing has this name. The message lists what there is."""


def read_target(text: str, *, paused: Iterable[Pause] = ()) -> Target:
    """Returns what a text such as "EMAIL" or "client:shop" names. Raises UnknownTarget.

    What one of the `paused` names counts, too, where it is no longer there.
    """
    for pause in paused:
        if text == str(pause) and pause.kind != PauseKind.PLATFORM:
            return Target(PauseKind(pause.kind), pause.name)
    word, colon, name = text.partition(":")
    if not colon:
        return _known(PauseKind.CHANNEL, word.upper())
    if word not in NAMED:
        kinds = ", ".join(f"{kind}:NAME" for kind in NAMED)
        raise UnknownTarget(f"“{word[:100]}:” names nothing. Give {', '.join(channel_names())}, or one of {kinds}.")
    return _known(PauseKind(word), name)


def names_of(kind: PauseKind) -> list[str]:
    """Returns the names of what there is of this kind, in order."""
    match kind:
        case PauseKind.CHANNEL:
            return channel_names()
        case PauseKind.PROVIDER:
            return sorted({name for channel in channel_names() for name in providers_of(channel)})
        case PauseKind.CATEGORY:
            return list(Category.objects.order_by("name").values_list("name", flat=True))
        case PauseKind.CLIENT:
            clients = ApiKey.objects.order_by("client").values_list("client", flat=True).distinct()
            return [*([] if settings.API_KEYS_REQUIRED else [LOCAL.client]), *clients]
        case PauseKind.PLATFORM:
            return [""]


def _known(kind: PauseKind, name: str) -> Target:
    names = names_of(kind)
    if name in names:
        return Target(kind, name)
    listed = ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")
    there_are = f"There are: {listed}." if names else "There is none."
    hint = " One that has no policy yet is added under Directory → Categories." if kind is PauseKind.CATEGORY else ""
    raise UnknownTarget(f"There is no {kind} “{name[:100]}”. {there_are}{hint}")


def providers_of(channel: str) -> set[str]:
    """Returns the names of a channel's providers, those too that this process has no settings for."""
    classes = [import_string(path) for path in settings.CHANNELS[channel]["route"]]
    names = {name for each in classes if (name := getattr(each, "name", ""))}
    try:
        return names | {provider.name for provider in configured_providers(channel)}
    except NotConfigured:
        return names | ({Sandbox.name} if settings.SANDBOX_ALLOWED else set())
    except ImproperlyConfigured:
        return names
