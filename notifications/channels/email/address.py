"""E-mail addresses: one plain spelling each, bounded before any of it is encoded, the domain in ASCII by IDNA 2008."""

from __future__ import annotations

import re

from notifications.channels.transport.hosts import LABEL, LAST_LABEL, domain_in_ascii

# RFC 5321's dot-string (quoted local parts and address literals are not taken) and a domain name.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]++"
LOCAL = rf"{ATOM}(?:\.{ATOM})*+"
ADDRESS = re.compile(rf"{LOCAL}@(?:{LABEL}\.)+{LAST_LABEL}")
SENDER = re.compile(rf"{LOCAL}@(?:{LABEL}\.)*{LAST_LABEL}")  # ours may be of a host without a dot
NAMED = re.compile(
    r'(?:"(?P<quoted>(?:[^"\\]|\\.)*)" *|(?P<plain>[^"<>,;:@\\]*))<(?P<named>[^<>\s]+)>|(?P<bare>[^<>\s]+)'
)
QUOTED_PAIR = re.compile(r"\\(.)")

MAX_ADDRESS, MAX_LOCAL = 254, 64  # RFC 5321 4.5.3.1
MAX_SENDER = 600

NOT_PLAIN = "Must be one plain e-mail address, such as name@example.com."
TOO_LONG = f"Must have at most {MAX_ADDRESS} characters, and {MAX_LOCAL} before the @."
NOT_A_DOMAIN = "Must have a domain that exists in ASCII: this one is not allowed by IDNA 2008."


def address_problem(address: str, pattern: re.Pattern[str] = ADDRESS) -> str | None:
    """Returns why this is not one plain address, as a sentence, or None."""
    if len(address) > MAX_ADDRESS:
        return TOO_LONG
    try:
        written = in_ascii(address)
    except UnicodeError:
        return NOT_A_DOMAIN
    found = pattern.fullmatch(written)
    if found is None:
        return NOT_PLAIN
    return TOO_LONG if len(written) > MAX_ADDRESS or written.index("@") > MAX_LOCAL else None


def canonical_address(address: str) -> str:
    """Returns the one spelling of an address, its domain in ASCII and lower case. What is no address stays as it is."""
    if address.islower() and address.isascii():
        return address  # as nearly all are written
    try:
        local, at, domain = in_ascii(address).rpartition("@")
    except UnicodeError:
        return address
    return f"{local}{at}{domain.lower()}"


def in_ascii(address: str) -> str:
    """Returns the address with its domain in ASCII. Raises UnicodeError where there is no such form."""
    if address.isascii():
        return address
    local, at, domain = address.rpartition("@")
    return f"{local}{at}{domain_in_ascii(domain)}"


def parse_sender(text: str) -> tuple[str, str]:
    """Returns (display name, address in ASCII) of a text such as App <app@example.com>.

    Raises ValueError with what it must be instead.
    """
    found = NAMED.fullmatch(text.strip()) if len(text) <= MAX_SENDER and text.isprintable() else None
    if found is None:
        raise ValueError(f"one address, such as App <app@example.com>, in at most {MAX_SENDER} characters")
    address = found["named"] or found["bare"]
    if problem := address_problem(address, SENDER):
        raise ValueError(f"an address that mail servers take. {problem}")
    quoted = found["quoted"]
    return QUOTED_PAIR.sub(r"\1", quoted) if quoted is not None else (found["plain"] or "").strip(), in_ascii(address)
