"""Names of hosts: how they are spelled, and their form in ASCII by IDNA 2008."""

from __future__ import annotations

import re
from functools import lru_cache

import idna

LABEL = r"[A-Za-z0-9][A-Za-z0-9-]{0,62}+(?<!-)"
LAST_LABEL = rf"(?![0-9]+\Z){LABEL}"
HOST = re.compile(rf"(?:{LABEL}\.)+{LAST_LABEL}")
MAX_DOMAIN, MAX_LABEL = 253, 63  # RFC 1035 2.3.4


@lru_cache(maxsize=4096)
def domain_in_ascii(domain: str) -> str:
    """Returns a domain by IDNA 2008 after the mapping of UTS 46, non-transitional: faß.example is not fass.example.

    Raises UnicodeError where they allow none. The bounds come first: encoding a label costs its length squared.
    """
    if domain.isascii():
        return domain
    if len(domain) > MAX_DOMAIN or len(domain.encode()) > MAX_DOMAIN or max(map(len, domain.split("."))) > MAX_LABEL:
        raise UnicodeError("A domain has at most 253 octets, and a label 63.")
    return idna.encode(domain, uts46=True, std3_rules=True).decode("ascii")
