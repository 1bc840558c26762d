"""Finds a person's name and addresses in texts that staff or programs wrote, and puts FORGOTTEN in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from project.privacy.person import Address, targets_of

FORGOTTEN = "(forgotten)"  # never empty: an empty filter would mean everybody
NUMBER = re.compile(r"\+[0-9]{7,15}")
GAP = r"[\W_]{0,3}"  # between the digits of a number
SHORTEST_NAME = 6  # a shorter one is a word like any other, so texts are not searched for it


# Columns and JSON fields that have a whole username or hash, and those in which people or programs wrote sentences.
NAMING = ("user", "term", "target", "object_repr", "before_hash", "after_hash")
PROSE = ("note", "reason", "why_paused", "example", "error", "evidence")


class Traces:
    """What betrays one person in a text: addresses in whatever spelling, their hashes, and the names.

    Addresses are looked for everywhere. A name may be a word of ours, such as "timeout", so it is looked for where
    there is a name, or a sentence.
    """

    def __init__(
        self, username: str, addresses: Iterable[Address], hashes: Iterable[str] = (), *, name: str = ""
    ) -> None:
        self._addresses = _any_of(pattern for _, address in addresses for pattern in _patterns(address))
        self._names = _any_of(_alone(each) for each in (username, name) if len(each) >= SHORTEST_NAME)
        self._user_field = re.compile(rf'"user"\s*:\s*"{re.escape(username)}"')
        self._username = username
        self._whole = dict.fromkeys([username, *targets_of(username)], FORGOTTEN) | dict.fromkeys(hashes, "")

    def are_in_record(self, text: str) -> bool:
        """Returns whether a record that could not be read names the person."""
        plain = text.replace("\\/", "/")
        return bool(self._addresses.search(plain) or self._user_field.search(plain))

    def are_in(self, text: str) -> bool:
        """Returns whether a text that a person or a client wrote names the person."""
        return text.strip() == self._username or bool(self._addresses.search(text) or self._names.search(text))

    def cleaned(self, value: Any, name: str = "") -> Any:
        """Returns a text or a JSON value without them, and the value itself where it has none.

        `name` is that of its column or field.
        """
        if isinstance(value, str):
            if name in NAMING and value in self._whole:
                return self._whole[value]
            text = self._addresses.sub(FORGOTTEN, value)
            return self._names.sub(FORGOTTEN, text) if name in PROSE else text
        if isinstance(value, list):
            return [self.cleaned(each, name) for each in value]
        if isinstance(value, dict):
            return {key: self.cleaned(each, key) for key, each in value.items()}
        return value


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns) or r"(?!)", re.IGNORECASE)


def _patterns(address: str) -> Iterator[str]:
    if NUMBER.fullmatch(address):
        yield _number(address[1:])
        return
    yield _alone(address)
    if "://" in address:  # a webhook: its path is the secret
        yield _alone(address.partition("://")[2].partition("/")[2])


def _alone(text: str) -> str:
    return rf"(?<!\w){re.escape(text)}(?!\w)"


def _number(digits: str) -> str:
    """Returns an expression for a telephone number, with or without its country code, in groups or not."""
    country = "".join(f"(?:{digit}{GAP})?" for digit in digits[:3])
    return rf"(?<!\d)\+?(?:0{{1,2}}{GAP})?{country}{GAP.join(digits[3:])}(?!\d)"
