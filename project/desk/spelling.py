"""What a person can mean by a receiver or an id that they typed, or pasted out of something else."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import category, normalize
from urllib.parse import unquote
from uuid import UUID

LINKS = ("mailto", "tel", "sms", "smsto")
AROUND = " \t\r\n\"'`<>()[]{},;|@#„“”‘’«»"  # quotation marks, brackets, Slack's <@U…> and <#C…|name>
IN_NUMBERS = frozenset("0123456789+()-./ \u2010\u2012\u2013\u2014\u2212")
DIGITS = frozenset("0123456789")


def spellings(term: str) -> list[str]:
    """The receivers to look for, without repetition; not each is one of any channel.

    The local part of an e-mail address is case-sensitive by RFC 5321, and written in any case by people. A phone
    number needs its country code: which country is meant by one without it, nobody can know.
    """
    bare = unwrapped(term)
    found = (term, bare, *_mail(bare), *_number(bare), bare.upper(), bare.rstrip("/"))
    return list(dict.fromkeys(found))


def as_id(term: str) -> UUID | None:
    """The notification id that the term spells, alone or at the end of an address, or None."""
    try:
        return UUID(unwrapped(term).rstrip("/").rpartition("/")[2])
    except ValueError:
        return None


def unwrapped(term: str) -> str:
    """The term without what stands around it in a mail, a link or a chat, and without invisible characters."""
    seen = "".join(character for character in term if category(character) != "Cf").strip()
    if "<" in seen:  # Anna Berg <anna@example.com>
        seen = seen.rpartition("<")[2].partition(">")[0]
    scheme, colon, rest = seen.partition(":")
    if colon and scheme.lower() in LINKS:
        seen = unquote(rest).partition("?")[0]
    return seen.partition("|")[0].strip(AROUND)


def _mail(bare: str) -> Iterator[str]:
    local, at, domain = bare.rpartition("@")
    if at:
        yield from (f"{form}@{domain}" for form in (local.lower(), local.capitalize(), local.title(), local.upper()))


def _number(bare: str) -> Iterator[str]:
    plain = normalize("NFKC", bare).replace("(0)", "")  # +49 (0)30: the zero is for calls within the country
    if IN_NUMBERS.issuperset(plain):
        digits = "".join(character for character in plain if character in DIGITS)
        yield f"+{digits if '+' in plain else digits.removeprefix('00')}"
