"""The sandbox: keeps what a channel without credentials would have sent, and fails on request.

It is the default of the embedded mode; docs/channels.md lists its magic receivers.
"""

from __future__ import annotations

import re
from threading import Lock
from typing import Self

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from notifications.channels import channel_class
from notifications.channels.base import Channel, Outgoing
from notifications.channels.outcomes import About, Cause, SendError
from project.database.dialects import turn_to_write

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

# So that of all sending threads one alone competes with the settler for its turn.
_one_at_a_time = Lock()


class Sandbox(Channel):
    """The sending half of a channel whose rules are those of the registered one: `Sandbox.of("EMAIL")`."""

    provider = "sandbox"

    @staticmethod
    def of(name: str) -> Channel:
        """The sandbox of the channel called `name`; KeyError where there is none."""
        rules = channel_class(name)
        kind: type[Channel] = type(f"Sandbox{rules.__name__}", (Sandbox, rules), {"__init__": object.__init__})
        return kind()

    @classmethod
    def from_settings(cls) -> Self:
        raise ImproperlyConfigured("The sandbox is opened by Sandbox.of(name).")

    def send(self, notification: Outgoing) -> str:
        failure = magic(notification.receiver)
        if failure:
            raise failure
        with _one_at_a_time, turn_to_write():
            row = apps.get_model("notifications", "SandboxMessage").objects.create(
                notification_id=notification.id,
                channel=self.name,
                receiver=notification.receiver,
                subject=notification.subject,
                message=notification.message,
                html=notification.html,
            )
        return f"sandbox-{row.pk}"

    def close(self) -> None:
        connections.close_all()


def magic(receiver: str) -> SendError | None:
    """How this receiver asks the sandbox to fail, or None."""
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
            said = "The sandbox was asked to throttle."
            return SendError(Cause.THROTTLED, said, about=About.RECEIVER, retry_after=RETRY_AFTER)
        case "credentials":
            return SendError(Cause.CREDENTIALS, "The sandbox was asked to refuse the credentials.")
        case "uncertain":
            return SendError(Cause.TIMEOUT, "The sandbox was asked for a timeout after the hand-over.", uncertain=True)
    return None
