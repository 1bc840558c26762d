"""Makes what a provider says fit for staff and callers: bounded, and without receivers, addresses or credentials.

A provider may repeat what it was sent, in whatever spelling. Its words are therefore cut first, which bounds the
cost of everything after it; then escapes are decoded, so that one search finds every spelling; then they are searched.
"""

from __future__ import annotations

import html
import re
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import unquote

MAX_SHOWN = 300
# Only this much is looked at. html.unescape makes a number of up to so many digits; Python's limit is 4,300.
WINDOW = 4_000
# Of words that were cut, so much at the end is never shown: it may be half of something that would be hidden.
MARGIN = 1_000
MAX_ID = 255
WHOLE_WORD = 8  # a shorter secret is hidden only where it stands alone

UNICODE_ESCAPE = re.compile(r"\\u([0-9A-Fa-f]{4})")
NUMBER = re.compile(r"\+?[0-9]{7,15}")
ADDRESS = r"""[^\s<>"'@]{1,254}@[^\s<>"']{1,255}"""
CREDENTIAL = (
    r"xox[a-z]-[\w-]{6,255}|xapp-[\w-]{6,255}"  # Slack's tokens
    r"|\b(?:AC|SK)[0-9a-f]{32}\b"  # Twilio's account and key
    r"|\b(?:Basic|Bearer)\s{1,8}[\w.~+/=-]{16,512}"  # an Authorization header
)
WITHOUT_SECRETS = re.compile(f"{ADDRESS}|{CREDENTIAL}", re.IGNORECASE)
GAP = r"[\W_]{0,3}"  # between the digits of a telephone number
NO_WORD = re.compile(r"[^0-9a-z]+")
ALONE = r"(?<![^\W_]){}(?![^\W_])"

# Where mail servers put the id: Postfix, Exim and Exchange, qmail and Gmail, Sendmail and OpenSMTPD.
ID = r"([A-Za-z0-9._-]{1,128}+)(?![\w.@%=-])"
QUEUE_IDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"queued as {ID}",
        rf"id={ID}",
        rf"\bok:?\s{{1,4}}(?=[a-z._-]{{0,128}}\d){ID}",
        rf"{ID} message acc",
    )
)


def shown(words: str | bytes, *secrets: str) -> str:
    """Returns a provider's words as staff may read them: at most 300 characters, no address, none of these secrets."""
    plain = _plain(words[:WINDOW])
    end = len(plain) - MARGIN if len(words) > WINDOW or len(plain) >= WINDOW else len(plain)
    hidden = _hidden(plain, secrets)
    pieces, at = [], 0
    for found in hidden.finditer(plain, 0):
        if found.start() >= end:
            break
        pieces += [plain[at : found.start()], "…"]
        at = found.end()
    pieces.append(plain[at : max(end, 0)])
    return "".join(pieces)[:MAX_SHOWN].strip()


def message_id(pattern: re.Pattern[str], id: object, *secrets: str) -> str:
    """Returns what a provider gives as an id, or "" where it looks like none or contains one of these secrets."""
    if not isinstance(id, str) or len(id) > MAX_ID or not pattern.fullmatch(id):
        return ""
    return "" if _contains(id, secrets) else id


def queue_id(words: str, receiver: str) -> str:
    """Returns the id out of the words with which a mail server took a mail, or ""."""
    found = next(filter(None, (pattern.search(words[:WINDOW]) for pattern in QUEUE_IDS)), None)
    return found[1] if found and not _contains(found[1], (receiver,)) else ""


def _plain(words: str | bytes) -> str:
    """Returns words without escapes (of URLs, HTML and JSON, twice over), compatibility and invisible characters."""
    text = words if isinstance(words, str) else words.decode(errors="replace")
    for _ in range(2):
        text = UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)), html.unescape(unquote(text)))
        text = text.replace("\\/", "/").replace('\\"', '"')
    text = unicodedata.normalize("NFKC", text)[:WINDOW]
    return "".join(" " if sign.isspace() else sign for sign in text if sign.isspace() or sign.isprintable())


def _hidden(plain: str, secrets: tuple[str, ...]) -> re.Pattern[str]:
    """Returns an expression for what is to be hidden.

    Making one for these secrets takes a millisecond, so that is done only where one of them is repeated.
    """
    patterns = list(_patterns(secrets, WITHOUT_SECRETS.sub(" ", plain)))
    if not patterns:
        return WITHOUT_SECRETS
    return re.compile("|".join([ADDRESS, *patterns, CREDENTIAL]), re.IGNORECASE)


def _patterns(secrets: tuple[str, ...], rest: str) -> Iterator[str]:
    """Yields an expression for each part of a secret that may be in the rest of the words."""
    lower, digits = rest.lower(), "".join(sign for sign in rest if sign.isdigit())
    for secret in filter(None, secrets):
        if NUMBER.fullmatch(secret):
            if secret.lstrip("+")[3:] in digits:
                yield _number(secret.lstrip("+"))
            continue
        for part in sorted(_parts(_plain(secret[:WINDOW])), key=len, reverse=True):
            if part.lower() in lower or not (part.isascii() and rest.isascii()):
                yield re.escape(part) if len(part) >= WHOLE_WORD else ALONE.format(re.escape(part))


def _number(digits: str) -> str:
    """Returns an expression for a telephone number, with or without its country code, in groups or not."""
    country = "".join(f"(?:{digit}{GAP})?" for digit in digits[:3])
    return rf"\+?(?:0{{1,2}}{GAP})?{country}{GAP.join(digits[3:])}"


def _parts(secret: str) -> set[str]:
    """Returns the secret and the parts that betray it: the name before the @, the path of a webhook."""
    parts = {secret, b64encode(secret.encode(errors="replace")).decode().rstrip("=")}
    if "://" in secret:
        path = secret.partition("://")[2].split("/")[1:]
        parts.update(path[1:] or path)
    elif "@" in secret:
        name = secret.rpartition("@")[0]
        parts.update((name, name.partition("+")[0]))
    elif NUMBER.fullmatch(secret):
        parts.update((secret.lstrip("+"), secret.lstrip("+")[3:]))
    return {part for part in parts if len(part) > 1}


def _contains(id: str, secrets: tuple[str, ...]) -> bool:
    """Returns whether an id contains a secret: a long one anywhere, a short one as a word.

    Every success asks this, so it makes no expression.
    """
    lower = id.lower()
    parts = {part.lower() for secret in filter(None, secrets) for part in _parts(secret)}
    if lower.isascii() and lower.isalnum():  # one word
        return any(part in lower if len(part) >= WHOLE_WORD else part == lower for part in parts)
    words = _words(lower)
    for part in parts:
        if len(part) >= WHOLE_WORD and part in lower:
            return True
        if (len(part) < WHOLE_WORD or not part.isalnum()) and _words(part) in words:
            return True
    return False


def _words(lower: str) -> str:
    return f" {NO_WORD.sub(' ', lower)} "
