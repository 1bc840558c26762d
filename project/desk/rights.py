"""What staff may do, each as a right of its own. A migration gives them to the groups that we come with."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from django.conf import settings
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
    REVEAL = "reveal", "Can see subjects, and one content or receiver at a time for a reason"
    TRY_NOW = "try_now", "Can make what waits due at once"
    REPLAY = "replay", "Can replay a few letters"
    REPLAY_MANY = "replay_many", "Can replay any number of letters"
    DISCARD = "discard", "Can discard letters"
    EDIT_CONTENT = "edit_content", "Can change what a notification says"
    REDIRECT = "redirect", "Can change a receiver"
    MEND_MANY = "mend_many", "Can correct many letters at once"
    APPROVE = "approve", "Can approve the run of another person"
    EXPORT = "export", "Can download lists"
    PAUSE = "pause", "Can pause and resume channels, providers, categories and clients"
    MAINTAIN = "maintain", "Can make the platform read-only"
    SET_CHOICES = "set_choices", "Can change what a person chose, for a reason"
    MANAGE_STAFF = "manage_staff", "Can make accounts of staff and put them into groups"

    @property
    def codename(self) -> str:
        return self.value.removeprefix("dlq.")


# The verbs of letters: whoever has one of these may act on some of them.
OF_LETTERS = (Right.REPLAY, Right.REPLAY_MANY, Right.DISCARD, Right.EDIT_CONTENT, Right.REDIRECT)

SUBJECTS = (Right.SEE_CONTENT, Right.REVEAL)  # with one of these a list shows what notifications are about


def may(request: HttpRequest, *rights: Right) -> bool:
    """Returns True where this person has all of these rights."""
    return all(request.user.has_perm(right.value) for right in rights)


def may_any(request: HttpRequest, rights: Iterable[Right]) -> bool:
    """Returns True where this person has at least one of these rights."""
    return any(request.user.has_perm(right.value) for right in rights)


def rights_of(request: HttpRequest) -> dict[str, bool]:
    """Returns whether this person has each right, by its name, for a template."""
    return {right.codename: may(request, right) for right in Right}


def need(request: HttpRequest, *rights: Right) -> None:
    """Raises PermissionDenied, which becomes a 403, where this person lacks one of these rights."""
    for right in rights:
        if not may(request, right):
            raise PermissionDenied(right.in_words)


def most_replayed(request: HttpRequest, at_most: int) -> int:
    """Returns how many letters this person may replay, or mark as sent, at once: 0, a few, or `at_most`."""
    if may(request, Right.REPLAY_MANY):
        return at_most
    return min(settings.REPLAY_FEW, at_most) if may(request, Right.REPLAY) else 0
