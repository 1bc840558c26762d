"""The token of a link in an e-mail by which its reader unsubscribes: whom it is about, and our signature.

It needs no row and does not expire: a mail may be read after years. Its key follows from SECRET_KEY, and what was
signed with one of SECRET_KEY_FALLBACKS is still good. Each e-mail has one, so it is made of two hashes at most.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import lru_cache
from hashlib import blake2b
from hmac import compare_digest
from typing import NamedTuple

from django.conf import settings

from project.caching import cache_of_settings

SIZE = 16  # bytes of the signature
LONGEST = 2_000  # characters; the longest names make one of 1,100
WORDS = re.compile(r"[A-Za-z0-9_-]+")
PERSON, ADDRESS = b"p", b"a"


class Link(NamedTuple):
    """What a token is about: a category on a channel, for a person of the main application, or only an address."""

    channel: str
    category: str
    user: str
    hash: str = ""  # of the address, as the ledger has it; only where there is no user


def token_of(link: Link) -> str:
    """Returns the token: letters, digits, - and _."""
    who = PERSON + link.user.encode() if link.user else ADDRESS + bytes.fromhex(link.hash)
    about = f"{link.channel}\0{link.category}\0".encode() + who
    return urlsafe_b64encode(_signature(about, _key()) + about).rstrip(b"=").decode()


def read(token: str) -> Link | None:
    """Returns what a token is about; None where we have not made it."""
    if len(token) > LONGEST or not WORDS.fullmatch(token):
        return None
    try:
        signed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    signature, about = signed[:SIZE], signed[SIZE:]
    if not any(compare_digest(signature, _signature(about, key)) for key in _keys()):
        return None
    channel, category, who = about.split(b"\0", 2)
    kind, name = who[:1], who[1:]
    found = Link(channel.decode(), category.decode(), name.decode() if kind == PERSON else "")
    return found._replace(hash=name.hex()) if kind == ADDRESS else found


def _signature(about: bytes, key: bytes) -> bytes:
    return blake2b(about, digest_size=SIZE, key=key, person=b"unsubscribe").digest()


@cache_of_settings
def _key() -> bytes:
    return _key_of(settings.SECRET_KEY)


def _keys() -> list[bytes]:
    return [_key_of(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


@lru_cache(maxsize=16)
def _key_of(secret: str) -> bytes:
    return blake2b(secret.encode(), digest_size=32, person=b"unsubscribe key").digest()
