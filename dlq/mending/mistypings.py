"""Finds the domain that somebody meant who mistyped it: "did you mean gmail.com?". It never corrects by itself."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec

from notifications.channels import domain_of

_FILE = Path(__file__).with_name("mistypings.toml")
_SHORT = 5  # letters: one slip away from a shorter name there is too much that is real


class _Known(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What mistypings.toml has."""

    largest: list[str]
    real: list[str]
    names: dict[str, str]
    endings: dict[str, str]


def suggestion(channel: str, receiver: str) -> str:
    """Returns the receiver with the domain that its writer probably meant; "" where nothing seems mistyped."""
    meant = meant_domain(domain_of(channel, receiver))
    return f"{receiver.rpartition('@')[0]}@{meant}" if meant else ""


def meant_domain(domain: str) -> str:
    """Returns the domain that was probably meant, or "". `domain` is in lower case."""
    known = _known()
    if domain in known.largest or domain in known.real:
        return ""
    name, *middle, ending = domain.split(".") if "." in domain else ("", domain)
    found = ".".join((known.names.get(name, name), *middle, known.endings.get(ending, ending)))
    if name and found != domain:
        return found
    return _one_slip_away().get(domain, "")


@cache
def _known() -> _Known:
    return msgspec.convert(tomllib.loads(_FILE.read_text()), _Known)


@cache
def _one_slip_away() -> dict[str, str]:
    """Returns every domain that is one slip away from one of the largest, with that one."""
    known = _known()
    found: dict[str, str] = {}
    for domain in known.largest:
        if len(domain.partition(".")[0]) >= _SHORT:
            found |= dict.fromkeys(_slips(domain), domain)
    for real in (*known.largest, *known.real):
        found.pop(real, None)
    return found


def _slips(text: str) -> Iterator[str]:
    """Yields the text with one letter left out, doubled or added, mistaken, or changed with the next."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-."
    for at in range(len(text) + 1):
        before, after = text[:at], text[at:]
        yield from (before + letter + after for letter in letters)
        if after:
            yield before + after[1:]
            yield from (before + letter + after[1:] for letter in letters)
            yield before + after[1:2] + after[:1] + after[2:]
