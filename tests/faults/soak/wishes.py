"""What keeps a person's notifications back, and when it certainly did. All times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf
from typing import NamedTuple


class Addressed(NamedTuple):
    """To whom a notification goes, and when it was posted. The person is "" where it goes to a bare address."""

    asked: float
    person: str
    channel: str
    category: str


class Change(NamedTuple):
    """It was asked for, and from `ended` on it counts, if it was done: without an answer nobody knows."""

    asked: float
    ended: float
    done: bool
    keeps: bool  # notifications back, at most until then:
    until: float = inf


END = Change(inf, inf, done=True, keeps=False)


@dataclass(eq=False)
class Wish:
    """A choice, quiet hours or a suppression of one person; `why` is the word for it. "" stands for all."""

    person: str
    why: str
    category: str = ""
    channel: str = ""
    changes: list[Change] = field(default_factory=list)
    is_open: bool = False  # a change is under way

    @property
    def keeps(self) -> bool:
        """Returns whether it keeps something back, as far as was asked."""
        return bool(self.changes) and self.changes[-1].keeps

    def concerns(self, to: Addressed) -> bool:
        return self.category in ("", to.category) and self.channel in ("", to.channel)

    def certainly(self) -> Iterator[tuple[float, float]]:
        """Yields from when until when it certainly keeps back what comes."""
        for change, following in pairwise([*self.changes, END]):
            if change.keeps and change.done and change.ended < min(change.until, following.asked):
                yield change.ended, min(change.until, following.asked)

    def perhaps(self) -> Iterator[tuple[float, float]]:
        """Yields from when until when it may do so."""
        since = inf
        for change in [*self.changes, END]:
            if change.keeps:
                since = min(since, change.asked)
            elif change.done and since < inf:
                yield since, change.ended
                since = inf
