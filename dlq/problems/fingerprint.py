"""Answers that read alike get one fingerprint: the code and the words, without what differs from letter to letter.

Whoever changes a rule here raises VERSION: then every letter is assigned anew.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from notifications.channels.redaction import shown

VERSION = 1
LONGEST = 160
LOOKED_AT = 1_000  # characters of an answer; a letter keeps no more
LONGEST_WORD = 30  # a longer one in ASCII is an id
OTHERS = "(other answers)"  # what is left of a cause with too many different ones

# "RCPT: 550 5.1.1 …", "552-5.2.2 …", "400 21211 …"
_CODE = re.compile(r"(?:[A-Za-z ]{1,20}: ?)?([2-5][0-9]{2})(?:[ -]([2-5]\.[0-9]{1,3}\.[0-9]{1,3}|[0-9]{5}))?\b")
_CODE_IN_JSON = re.compile(r'"(?:error_?)?code" ?: ?"?([\w.-]{1,32})', re.IGNORECASE)
_QUOTED = re.compile(r"""(?<!\w)(?:"[^"]{0,200}"|'[^']{0,200}'|`[^`]{0,200}`|“[^”]{0,200}”|<[^<>]{0,200}>)(?!\w)""")
_PARTS = re.compile(r"[\w.-]+")
_HOST = re.compile(r"(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}", re.IGNORECASE)
_NUMBERED = re.compile(r"([^\W\d][^\d]+?)[_-]?\d{1,3}")  # URI_TRACK_1: a rule's name, not an id
_NO_LETTER = re.compile(r"[\W_]*")
_TELEPHONE = re.compile(r"\+?[0-9](?:[ ()-]{0,2}[0-9]){6,20}")


@lru_cache(maxsize=4_096)
def fingerprint(answer: str) -> str:
    """Returns what is alike in the answers that mean the same, at most LONGEST characters; "" for no answer.

    It has no digits but those of its code, no address, id, URL or quoted text. Its cost is bounded for any text.
    """
    text = unicodedata.normalize("NFKC", answer[:LOOKED_AT])[:LOOKED_AT]
    code, is_json = _code(text), _is_json(text)
    text = text if is_json else _QUOTED.sub(" ", text)
    words = [word for token in text.split() for word in _words_of(token)]
    return " ".join([*code, *words]).lower()[:LONGEST].rstrip()


def example(answer: str) -> str:
    """Returns the answer as an example for everybody: without addresses, numbers of telephones and credentials."""
    words = shown(answer[:LOOKED_AT])
    code = _CODE.match(words)
    begin = code.end() if code else 0
    return words[:begin] + _TELEPHONE.sub("…", words[begin:])


def _code(text: str) -> list[str]:
    found = _CODE.match(text)
    codes = [code for code in found.groups() if code] if found else []
    inside = _CODE_IN_JSON.search(text)
    return [*codes, inside[1]] if inside else codes


def _is_json(text: str) -> bool:
    return '{"' in text[:40]


def _words_of(token: str) -> list[str]:
    """Returns the words of what stands between two spaces; nothing of an address or a URL."""
    if "@" in token or "://" in token:
        return []
    return [word for part in _PARTS.findall(token) if (word := _word(part.strip(".-_")))]


def _word(part: str) -> str:
    """Returns the word without its number, or "" for a host, an id and whatever else differs each time."""
    if _NO_LETTER.fullmatch(part) or _HOST.fullmatch(part):
        return ""
    if any(sign.isnumeric() for sign in part):
        numbered = _NUMBERED.fullmatch(part)
        part = numbered[1].rstrip("_-") if numbered else ""
    return "" if part.isascii() and len(part) > LONGEST_WORD else part
