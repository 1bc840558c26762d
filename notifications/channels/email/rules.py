"""E-mail: what a receiver is, and how long a text may be."""

from __future__ import annotations

from typing import ClassVar

from notifications.channels.base import Channel
from notifications.channels.email.address import address_problem, canonical_address

MAX_BYTES = 256 * 1024


class Email(Channel):
    """A mail has a subject, a text and, if there is one, an HTML alternative."""

    name: ClassVar[str] = "EMAIL"
    in_words: ClassVar[str] = "E-mail"
    max_message: ClassVar[str] = "256 KiB in UTF-8"
    example: ClassVar[str] = "test@gmail.com"
    takes_subject: ClassVar[bool] = True
    takes_html: ClassVar[bool] = True
    takes_unsubscribe: ClassVar[bool] = True

    receiver_problem = staticmethod(address_problem)
    canonical = staticmethod(canonical_address)

    @staticmethod
    def too_long(text: str) -> bool:
        return len(text) * 4 > MAX_BYTES and len(text.encode(errors="surrogatepass")) > MAX_BYTES

    @staticmethod
    def mask(receiver: str) -> str:
        local, at, domain = receiver.rpartition("@")
        return f"{local[:1]}…@{domain}" if at else "…"

    @staticmethod
    def domain(receiver: str) -> str:
        _, at, domain = canonical_address(receiver).rpartition("@")
        return domain.lower() if at else ""
