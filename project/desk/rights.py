"""What staff may do, each as a right of its own. A migration gives them to the groups that we come with."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest


class Right(StrEnum):
    """A right, as `has_perm` names it, and what it allows."""

    in_words: str

    def __new__(cls, codename: str, in_words: str) -> Self:
        right = str.__new__(cls, f"dlq.{codename}")
        right._value_ = f"dlq.{codename}"
        right.in_words = in_words
        return right

    SEE_RECEIVER = "see_receiver", "Can see whole receivers"
    SEE_CONTENT = "see_content", "Can see what notifications contain"
    REPLAY = "replay", "Can replay a few letters"
    REPLAY_MANY = "replay_many", "Can replay any number of letters"
    DISCARD = "discard", "Can discard letters"
    REDIRECT = "redirect", "Can change a receiver"
    MEND_MANY = "mend_many", "Can correct many letters at once"
    APPROVE = "approve", "Can approve the run of another person"
    EXPORT = "export", "Can download lists"

    @property
    def codename(self) -> str:
        return self.value.removeprefix("dlq.")


def may(request: HttpRequest, right: Right) -> bool:
    """Returns True where this person has the right."""
    return request.user.has_perm(right.value)


def need(request: HttpRequest, right: Right) -> None:
    """Raises PermissionDenied, which becomes a 403, where this person does not have the right."""
    if not may(request, right):
        raise PermissionDenied(right.in_words)
