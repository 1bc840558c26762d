"""Slack's receivers: an incoming webhook, or the id of a conversation or user.

A webhook URL is a credential, and a request to an address of the caller's choice: it is compared with the
allowed prefixes after parsing, at intake and again before sending, and never shown.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import ClassVar, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings

from notifications.channels.base import Channel
from project.caching import cache_of_settings

ID = re.compile(r"[CGDUW][A-Z0-9]{8,20}")  # a conversation or a user
# No percent sign, so no encoded dots; no user, query, fragment, backslash or white space either.
URL = re.compile(r"[A-Za-z]+://[A-Za-z0-9.:\[\]-]+/[A-Za-z0-9._~/-]+")
PORTS = {"https": 443, "http": 80}


class Webhook(NamedTuple):
    """A parsed URL, so that spellings of the same place are equal."""

    scheme: str
    host: str
    port: int
    path: str
    url: str


class Slack(Channel):
    """A text in a conversation."""

    name: ClassVar[str] = "SLACK"
    in_words: ClassVar[str] = "Slack"
    max_message: ClassVar[str] = "4,000 characters"
    example: ClassVar[str] = "C0123456789"

    @staticmethod
    def receiver_problem(receiver: str) -> str | None:
        if ID.fullmatch(receiver) or allowed_webhook(receiver):
            return None
        return (
            "Must be one incoming webhook URL that begins with "
            f"{' or '.join(settings.SLACK_WEBHOOK_PREFIXES)}, or the id of a channel or user such as C024BE91L."
        )

    @staticmethod
    def canonical(receiver: str) -> str:
        webhook = _parse(receiver)
        return webhook.url if webhook else receiver

    @staticmethod
    def too_long(text: str) -> bool:
        return len(text) > 4_000

    @staticmethod
    def mask(receiver: str) -> str:
        """Returns an id in part; of a webhook the prefix and the workspace, never what makes it a credential."""
        if ID.fullmatch(receiver):
            return f"{receiver[0]}…{receiver[-3:]}"
        webhook = allowed_webhook(receiver)
        if webhook is None:
            return "…"
        prefix = next(prefix for prefix in _allowed() if _within(webhook, prefix))
        workspace, more, _ = webhook.path[len(prefix.path) :].partition("/")
        return f"{prefix.url}{workspace + '/' if more else ''}…"


def allowed_webhook(receiver: str) -> Webhook | None:
    """Returns the parsed webhook, or None for whatever is not a URL under one of the allowed prefixes."""
    return _under(receiver, _allowed())


@lru_cache(maxsize=4096)  # a webhook is looked at when it is read and when it is sent to
def _under(receiver: str, prefixes: tuple[Webhook, ...]) -> Webhook | None:
    webhook = _parse(receiver)
    return webhook if webhook and any(_within(webhook, prefix) for prefix in prefixes) else None


@lru_cache(maxsize=4096)  # and when it is hashed
def _parse(text: str) -> Webhook | None:
    if not URL.fullmatch(text):
        return None
    try:
        url = urlsplit(text)
        port = url.port or PORTS.get(url.scheme, 0)
    except ValueError:
        return None
    if not url.hostname or {"", ".", ".."} & set(url.path[1:].removesuffix("/").split("/")):
        return None
    return _webhook(url.scheme, url.hostname, port, url.path)


def _webhook(scheme: str, host: str, port: int, path: str) -> Webhook:
    shown_host = f"[{host}]" if ":" in host else host
    shown_port = "" if port == PORTS.get(scheme) else f":{port}"
    return Webhook(scheme, host, port, path, f"{scheme}://{shown_host}{shown_port}{path}")


def _within(webhook: Webhook, prefix: Webhook) -> bool:
    return webhook[:3] == prefix[:3] and webhook.path.startswith(prefix.path) and webhook.path[-1] != "/"


@cache_of_settings
def _allowed() -> tuple[Webhook, ...]:
    parsed = (urlsplit(prefix) for prefix in settings.SLACK_WEBHOOK_PREFIXES)
    return tuple(
        _webhook(url.scheme, url.hostname or "", url.port or PORTS.get(url.scheme, 0), url.path) for url in parsed
    )
