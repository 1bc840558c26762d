"""What one correction of many letters changes in a receiver. Pure: it knows no database."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec
from django.db.models import Q

from notifications.channels import domain_of
from notifications.messages.draft import read_request
from notifications.messages.explain import Invalid
from notifications.messages.fields import LENGTHS

LONGEST_DOMAIN = 253


class Kind(StrEnum):
    DOMAIN = "domain"
    REPLACE = "replace"
    PREFIX = "prefix"


class Wrong(ValueError):
    """The correction makes no sense. `field` is "old" or "new"; the text is a sentence for staff."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field


class Correction(msgspec.Struct, frozen=True):
    """In which receivers `old` becomes `new`: as the domain of an e-mail address, anywhere, or where a number begins.

    Applied to what it gave it changes nothing more, so that no letter is corrected twice.
    """

    kind: Kind
    old: str
    new: str

    @property
    def channel(self) -> str:
        """The one channel that it is for, or "" for every channel."""
        return {Kind.DOMAIN: "EMAIL", Kind.PREFIX: "SMS"}.get(self.kind, "")

    def apply(self, channel: str, receiver: str) -> str | None:
        """Returns the corrected receiver, or None for one that this correction does not concern."""
        if not receiver or (self.channel and channel != self.channel):
            return None
        match self.kind:
            case Kind.DOMAIN:
                found = domain_of(channel, receiver) == self.old
                return f"{receiver.rpartition('@')[0]}@{self.new}" if found else None
            case Kind.REPLACE:
                return receiver.replace(self.old, self.new) if self.old in receiver else None
            case Kind.PREFIX:
                if not receiver.startswith(self.old) or self._is_added_to(receiver):
                    return None
                return self.new + receiver.removeprefix(self.old)

    def _is_added_to(self, receiver: str) -> bool:
        return self.new.startswith(self.old) and receiver.startswith(self.new)

    def sensible(self) -> Correction:
        """Returns itself. Raises Wrong where it would correct nothing, or the same receiver again and again."""
        if not self.old or (self.kind is Kind.PREFIX and not self.old.startswith("+")):
            raise Wrong("old", "Write what the number begins with, such as +490." if self.old else "Must not be empty.")
        if self.kind is Kind.PREFIX and not self.new.startswith("+"):
            raise Wrong("new", "A number begins with +, such as +49.")
        if self.old == self.new:
            raise Wrong("new", "This is the same: nothing would change.")
        if self.kind is Kind.REPLACE and self.old in self.new:
            raise Wrong("new", "Must not contain the old text: a second correction would add to it again.")
        if max(len(self.old), len(self.new)) > LENGTHS["receiver"]:
            raise Wrong("old", f"Must have at most {LENGTHS['receiver']:,} characters.")
        return self

    @property
    def condition(self) -> Q:
        """The condition for letters whose receiver it can concern. `apply` has the last word."""
        match self.kind:
            case Kind.DOMAIN:
                return Q(receiver_domain=self.old, channel=self.channel)
            case Kind.REPLACE:
                return Q(notification__receiver__contains=self.old)
            case Kind.PREFIX:
                return Q(notification__receiver__startswith=self.old, channel=self.channel)

    def in_words(self, *, whole: bool) -> str:
        """Returns such as "e-mail domain gmial.com → gmail.com". A text out of receivers is shown only as a `whole`."""
        old, new = self.old, self.new
        if self.kind is Kind.REPLACE and not whole:
            old, new = "…", "…"
        names = {Kind.DOMAIN: "e-mail domain", Kind.REPLACE: "text in the receiver", Kind.PREFIX: "number's beginning"}
        return f"{names[self.kind]} {old or '(removed)'} → {new or '(nothing)'}"

    def as_json(self) -> dict[str, str]:
        """Returns what a JSON column keeps."""
        return {"kind": self.kind.value, "old": self.old, "new": self.new}

    def without_texts(self) -> Correction:
        """Returns it as it is kept once it was carried out: a text out of receivers may be a whole address."""
        return Correction(self.kind, "", "") if self.kind is Kind.REPLACE else self


def correction(kind: Kind, old: str, new: str) -> Correction:
    """Returns the correction that somebody typed. Raises Wrong."""
    if kind is Kind.DOMAIN:
        return Correction(kind, _domain("old", old), _domain("new", new)).sensible()
    return Correction(kind, old, new).sensible()


def from_json(kept: Any) -> Correction:
    """Returns the correction that a JSON column keeps. Raises msgspec.ValidationError for anything else."""
    return msgspec.convert(kept, Correction)


def refusal(channel: str, receiver: str) -> str:
    """Returns why the intake would refuse this receiver, as sentences, or "". It is the intake itself that answers."""
    given = {"type": channel, "receiver": receiver, "message": "-"}
    try:
        read_request(msgspec.json.encode(given))
    except Invalid as invalid:
        return " ".join(str(why) for found in invalid.errors.values() for why in found)
    return ""


def _domain(field: str, typed: str) -> str:
    """Returns a domain in its one spelling. Raises Wrong."""
    bare = typed.strip().rpartition("@")[2].rstrip(".")
    domain = domain_of("EMAIL", f"a@{bare}") if len(bare) <= LONGEST_DOMAIN else ""
    if not domain or (field == "new" and refusal("EMAIL", f"a@{domain}")):
        raise Wrong(field, "Must be the domain of an e-mail address, such as gmail.com.")
    return domain
