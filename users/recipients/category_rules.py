"""What a category says about those who receive it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time

import msgspec

from notifications.messages.words import CategoryKind, Late, Overflow

DAY = 86_400  # seconds: the window of a cap that names none


class Cap(msgspec.Struct, frozen=True, gc=False):
    """At most `count` in any window of so many seconds."""

    count: int
    seconds: int


class CategoryRules(msgspec.Struct, frozen=True):
    """What a category says about those who receive it. Without any of it, everybody gets it at once."""

    name: str = ""
    kind: CategoryKind = CategoryKind.TRANSACTIONAL
    on_by_default: bool = True
    channels: frozenset[str] | None = None  # None: every channel
    cap: Cap | None = None
    overflow: Overflow = Overflow.WAIT
    digest_seconds: int | None = None
    digest_limit: int | None = None  # seconds; None: those who join do not put off its closing
    digest_at: time | None = None
    quiet: bool = True  # it obeys quiet hours
    late: Late = Late.SEND
    passes: frozenset[str] = frozenset()  # reasons of suppressions

    @property
    def keeps_back(self) -> bool:
        """Returns whether it may keep something from somebody of whom nothing is known."""
        plain = self.on_by_default and self.channels is None and self.kind is not CategoryKind.PROMOTIONAL
        return not plain or self.cap is not None or self.is_digested

    @property
    def is_digested(self) -> bool:
        return self.digest_seconds is not None or self.digest_at is not None

    @property
    def may_be_folded(self) -> bool:
        return self.is_digested or self.overflow is Overflow.DIGEST


def rules_of(category: Mapping[str, object]) -> CategoryRules:
    """Returns the rules of a row of the table of categories, given by the names of its columns."""
    given = dict(category)
    count, seconds = given.pop("cap_count"), given.pop("cap_seconds")
    given["cap"] = None if count is None else {"count": count, "seconds": seconds or DAY}
    given["passes"] = given["passes"] or []
    return msgspec.convert(given, CategoryRules)
