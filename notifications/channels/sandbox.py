"""The sandbox: keeps what a channel without credentials would have sent, and fails on request.

It is the default of the embedded mode; docs/channels.md lists its magic receivers.
"""

from __future__ import annotations

import re
from typing import Protocol

from notifications.channels.base import Outgoing, Provider
from notifications.channels.outcomes import About, Cause, SendError

WORDS = "transient|permanent|optedout|throttled|uncertain|credentials"
# The end of a Slack webhook's path, a Slack id after its first letter, or a local part at sandbox.test.
WORD = re.compile(rf"(?:[CGDUW]|.*/|)({WORDS})(?:(?:\+[^@/]*)?@sandbox\.test)?", re.IGNORECASE)
NUMBERS = {
    "+15005550001": "permanent",
    "+15005550004": "optedout",
    "+15005550020": "credentials",
    "+15005550029": "throttled",
    "+15005550050": "transient",
    "+15005550054": "uncertain",
}
RETRY_AFTER = 5.0


class Store(Protocol):
    """Where the sandbox keeps what it was handed."""

    def keep(self, channel: str, notification: Outgoing) -> str:
        """Keeps one notification. Returns its id there."""

    def close(self) -> None:
        """Closes the calling thread's connection."""


class Sandbox(Provider):
    """The provider of any channel that has no other one."""

    name = "sandbox"

    def __init__(self, channel: str, store: Store) -> None:
        self._channel = channel
        self._store = store

    def send(self, notification: Outgoing) -> str:
        if failure := magic(notification.receiver):
            raise failure
        return f"sandbox-{self._store.keep(self._channel, notification)}"

    def close(self) -> None:
        self._store.close()


def magic(receiver: str) -> SendError | None:
    """Returns the failure that this receiver stands for, or None."""
    word = NUMBERS.get(receiver)
    if word is None and (found := WORD.fullmatch(receiver)):
        word = found[1].lower()
    match word:
        case "transient":
            return SendError(Cause.PROVIDER_ERROR, "The sandbox was asked for a transient failure.")
        case "permanent":
            return SendError(Cause.UNKNOWN_RECEIVER, "The sandbox was asked for a permanent failure.", permanent=True)
        case "optedout":
            return SendError(Cause.OPTED_OUT, "The sandbox was asked for a refusal.", permanent=True)
        case "throttled":
            detail = "The sandbox was asked to throttle."
            return SendError(Cause.THROTTLED, detail, about=About.RECEIVER, retry_after=RETRY_AFTER)
        case "credentials":
            return SendError(Cause.CREDENTIALS, "The sandbox was asked to refuse the credentials.")
        case "uncertain":
            return SendError(Cause.TIMEOUT, "The sandbox was asked for a timeout after the hand-over.", uncertain=True)
    return None
