"""E-mail over SMTP, or over any Django e-mail backend such as anymail's."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from django.core.exceptions import ImproperlyConfigured

from notifications.channels import Channel, Outgoing

MAX_BYTES = 256 * 1024
# RFC 5321's dot-string (quoted local parts and address literals are not taken) and a dotted domain.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = re.compile(rf"(?P<local>{ATOM}(?:\.{ATOM})*)@(?:{LABEL}\.)+(?![0-9]+\Z){LABEL}")
MAX_ADDRESS, MAX_LOCAL = 254, 64


class Email(Channel):
    """Sends mail with a text and, if there is one, an HTML alternative."""

    name: ClassVar[str] = "EMAIL"
    max_message: ClassVar[str] = "256 KiB in UTF-8"
    takes_subject: ClassVar[bool] = True
    takes_html: ClassVar[bool] = True

    @classmethod
    def from_settings(cls) -> Self:
        raise ImproperlyConfigured("not ready")

    @classmethod
    def receiver_problem(cls, receiver: str) -> str | None:
        address = ADDRESS.fullmatch(_ascii(receiver))
        if address is None:
            return "Must be one plain e-mail address, such as name@example.com."
        if len(address[0]) > MAX_ADDRESS or len(address["local"]) > MAX_LOCAL:
            return f"Must have at most {MAX_ADDRESS} characters, and {MAX_LOCAL} before the @."
        return None

    @classmethod
    def canonical(cls, receiver: str) -> str:
        local, _, domain = _ascii(receiver).rpartition("@")
        return f"{local}@{domain.lower()}"

    @classmethod
    def too_long(cls, text: str) -> bool:
        return len(text) * 4 > MAX_BYTES and len(text.encode(errors="surrogatepass")) > MAX_BYTES

    @classmethod
    def mask(cls, receiver: str) -> str:
        local, at, domain = receiver.rpartition("@")
        return f"{local[:1]}…@{domain}" if at else "…"

    def send(self, notification: Outgoing) -> str:
        raise NotImplementedError


def _ascii(address: str) -> str:
    """The address with its domain in ASCII (IDNA); unchanged where that cannot be."""
    if address.isascii():
        return address
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{domain.encode('idna').decode()}"
    except UnicodeError:
        return address
