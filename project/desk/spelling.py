"""Finds the receiver, id or number that a person can mean by what they typed or pasted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from unicodedata import category, normalize
from urllib.parse import unquote
from uuid import UUID

from django.conf import settings

from notifications.channels.sms.countries import in_full

SEARCHES = "find"  # what a session of staff has of the last things that they typed
LINKS = ("mailto", "tel", "sms", "smsto")
AROUND = " \t\r\n\"'`<>()[]{},;|@#„“”‘’«»"  # quotation marks, brackets, Slack's <@U…> and <#C…|name>
IN_NUMBERS = frozenset("0123456789+()-./ \u2010\u2012\u2013\u2014\u2212")
DIGITS = frozenset("0123456789")
LONGEST_NUMBER = 18  # digits of a bigint that surely fits
FEWEST_OF_AN_ID = 8  # hexadecimal digits: fewer would be a beginning of too many ids
IN_A_URL = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![0-9a-f])", re.IGNORECASE)
BEGINNING = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{0,4}(?:-?[0-9a-f]{0,4}){2}-?[0-9a-f]{0,11}", re.IGNORECASE)
NUMBERED = re.compile(r"(?:(?P<what>[a-z]+(?: letter)?) *)?#?(?P<number>[0-9]{1,18})", re.IGNORECASE)
PAGE_OF = re.compile(r"/admin/[a-z]+/(?P<what>[a-z]+)/(?P<number>[0-9]{1,18})(?:/|$)")
TRACE = re.compile(r"(?:[0-9a-f]{2}-)?(?P<trace>[0-9a-f]{32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?", re.IGNORECASE)
DOMAIN = re.compile(r"@[\w.-]{1,253}")


def spellings(term: str) -> list[str]:
    """Returns the receivers to look for, each once. Some may be receivers of no channel.

    The local part of an e-mail address is case-sensitive by RFC 5321, but people write it in any case. A phone number
    without its country code is also one of DESK_PHONE_COUNTRY, where that is set.
    """
    bare = unwrapped(term)
    found = (term, bare, *_mail(bare), *_number(bare), bare.upper(), bare.rstrip("/"))
    return list(dict.fromkeys(found))


def as_id(term: str) -> UUID | None:
    """Returns the notification id in the term, alone or at the end of a URL, or None."""
    bare = unwrapped(term)
    try:
        return UUID(bare.rstrip("/").rpartition("/")[2])
    except ValueError:
        found = IN_A_URL.search(unquote(bare)) if "/" in bare or "=" in bare else None
        return UUID(found[0]) if found else None


def beginning_of_id(term: str) -> tuple[UUID, UUID] | None:
    """Returns the first and the last id that begin with the term, or None where it is no beginning, or a whole id."""
    bare = unwrapped(term).rstrip("….")
    digits = bare.replace("-", "") if BEGINNING.fullmatch(bare) else ""
    if not FEWEST_OF_AN_ID <= len(digits) < 32:
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def number_of(term: str, *kinds: str) -> int | None:
    """Returns the number in the term, alone, behind one of these words or in the address of its page, or None."""
    bare = term.strip()
    found = NUMBERED.fullmatch(bare) or PAGE_OF.search(bare)
    if not found or (found["what"] or kinds[0]).lower() not in kinds:
        return None
    return int(found["number"]) or None


def domain_of(term: str) -> str:
    """Returns the domain of a term such as "@gmial.com", in lower case; "" for any other term."""
    bare = term.strip().rstrip("/.,;>")
    return bare[1:].lower() if DOMAIN.fullmatch(bare) else ""


def trace_of(term: str) -> str:
    """Returns the trace id in the term, alone or in a traceparent, in lower case; "" for any other term."""
    found = TRACE.fullmatch(unwrapped(term))
    return found["trace"].lower() if found else ""


def unwrapped(term: str) -> str:
    """Returns the term without the marks of a mail, a link or a chat around it, and without invisible characters."""
    seen = "".join(character for character in term if category(character) != "Cf").strip()
    if "<" in seen:  # Anna Berg <anna@example.com>
        seen = seen.rpartition("<")[2].partition(">")[0]
    scheme, colon, rest = seen.partition(":")
    if colon and scheme.lower() in LINKS:
        seen = unquote(rest).partition("?")[0]
    return seen.partition("|")[0].strip(AROUND)


def message_ids(term: str) -> list[str]:
    """Returns the spellings of a provider's id: as typed, and without and with the marks of a Message-ID."""
    bare = unwrapped(term)
    return list(dict.fromkeys((term, bare, f"<{bare}>")))


def _mail(bare: str) -> Iterator[str]:
    local, at, domain = bare.rpartition("@")
    if at:
        yield from (f"{form}@{domain}" for form in (local.lower(), local.capitalize(), local.title(), local.upper()))


def _number(bare: str) -> Iterator[str]:
    plain = normalize("NFKC", bare).replace("(0)", "")  # +49 (0)30: the zero is for calls within the country
    if IN_NUMBERS.issuperset(plain):
        digits = "".join(character for character in plain if character in DIGITS)
        yield f"+{digits if '+' in plain else digits.removeprefix('00')}"
        if "+" not in plain and (full := in_full(digits, settings.DESK_PHONE_COUNTRY)):
            yield full
