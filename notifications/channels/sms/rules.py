"""SMS: receivers are numbers in E.164, in countries that texts may go to."""

from __future__ import annotations

import re
from typing import ClassVar

from notifications.channels.base import Channel
from notifications.channels.sms import countries

E164 = re.compile(r"\+[1-9][0-9]{7,14}")


class Sms(Channel):
    """A text without a subject."""

    name: ClassVar[str] = "SMS"
    max_message: ClassVar[str] = "1,600 characters"
    example: ClassVar[str] = "+14155550123"

    @staticmethod
    def receiver_problem(receiver: str) -> str | None:
        if E164.fullmatch(receiver):
            return None
        return "Must be one phone number in E.164: + and 8 to 15 digits, such as +14155550123."

    @staticmethod
    def intake_problem(receiver: str) -> str | None:
        return countries.problem(receiver)

    @staticmethod
    def canonical(receiver: str) -> str:
        return receiver

    @staticmethod
    def too_long(text: str) -> bool:
        return len(text) > 1_600

    @staticmethod
    def mask(receiver: str) -> str:
        return f"{receiver[:3]}…{receiver[-2:]}" if len(receiver) > 8 else "…"
