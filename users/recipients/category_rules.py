"""What a category says about those who receive it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import time

import msgspec

from notifications.messages.words import CategoryKind, Late, Overflow
from project.database.dialects import Dialect, Statement, as_json

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


def read_rules(names: Collection[str] | None = None) -> dict[str, CategoryRules]:
    """Returns the rules of categories in the order of their names: of all, or of these, described or not."""
    rows = rules_of_categories(names=None if names is None else as_json(list(names)))
    found = {rules.name: rules for rules in map(_rules_of, rows)}
    return found | {name: CategoryRules(name=name) for name in names or () if name not in found}


_COLUMNS = (
    *("name", "kind", "on_by_default", "channels", "quiet", "late", "passes"),
    *("cap_count", "cap_seconds", "overflow", "digest_seconds", "digest_limit", "digest_at"),
)


@Statement
def rules_of_categories(d: Dialect) -> str:
    """Of these, or of all where `names` is NULL. It runs each second: the ORM would take four times as long."""
    return f"""
        SELECT {", ".join(_COLUMNS)} FROM notifications_category
        WHERE %(names)s IS NULL OR {d.among("name", "%(names)s")} ORDER BY name"""


def _rules_of(row: Sequence[object]) -> CategoryRules:
    given = dict(zip(_COLUMNS, row, strict=True))
    count, seconds = given.pop("cap_count"), given.pop("cap_seconds")
    given["cap"] = None if count is None else {"count": count, "seconds": seconds or DAY}
    given["channels"], given["passes"] = _list(given["channels"]), _list(given["passes"]) or []
    return msgspec.convert(given, CategoryRules, strict=False)  # SQLite has numbers for booleans, and texts for times


def _list(text: object) -> object:
    return None if text is None else msgspec.json.decode(str(text))
