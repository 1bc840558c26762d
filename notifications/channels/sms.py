"""SMS over Twilio's Messages API. Receivers are E.164 numbers."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from django.core.exceptions import ImproperlyConfigured

from notifications.channels import Channel, Outgoing

E164 = re.compile(r"\+[1-9][0-9]{7,14}")


class Sms(Channel):
    """Sends texts by Twilio."""

    name: ClassVar[str] = "SMS"
    max_message: ClassVar[str] = "1,600 characters"
    provider = "twilio"

    @classmethod
    def from_settings(cls) -> Self:
        raise ImproperlyConfigured("not ready")

    @classmethod
    def receiver_problem(cls, receiver: str) -> str | None:
        if E164.fullmatch(receiver):
            return None
        return "Must be one phone number in E.164: + and 8 to 15 digits, such as +14155550123."

    @classmethod
    def canonical(cls, receiver: str) -> str:
        return receiver

    @classmethod
    def too_long(cls, text: str) -> bool:
        return len(text) > 1_600

    @classmethod
    def mask(cls, receiver: str) -> str:
        return f"{receiver[:3]}…{receiver[-2:]}" if len(receiver) > 8 else "…"

    def send(self, notification: Outgoing) -> str:
        raise NotImplementedError
