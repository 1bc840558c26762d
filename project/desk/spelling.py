"""Finds the receiver or id that a person can mean by what they typed or pasted."""

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
    """Returns the receivers to look for, each once. Some may be receivers of no channel.

    The local part of an e-mail address is case-sensitive by RFC 5321, but people write it in any case. A phone number
    needs its country code, because nobody can know the country of a number without one.
    """
    bare = unwrapped(term)
    found = (term, bare, *_mail(bare), *_number(bare), bare.upper(), bare.rstrip("/"))
    return list(dict.fromkeys(found))


def as_id(term: str) -> UUID | None:
    """Returns the notification id in the term, alone or at the end of a URL, or None."""
    try:
        return UUID(unwrapped(term).rstrip("/").rpartition("/")[2])
    except ValueError:
        return None


def unwrapped(term: str) -> str:
    """Returns the term without the marks of a mail, a link or a chat around it, and without invisible characters."""
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
