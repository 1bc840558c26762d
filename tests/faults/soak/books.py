"""The books about people: nothing went to somebody who did not want it, nor more than they want."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.faults.site import Site
from tests.faults.soak.people import CAP, CAP_SECONDS, CAPPED
from tests.faults.soak.wishes import Addressed, Wish

SEEN = 6.0  # seconds in which a sender knows of a change and a slow provider has taken what was on its way

Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Books:
    """`addressed` says by its text to whom each notification goes, `wishes` by their name what keeps people's back.

    `blind` are the times in which a sender stood still or had no database, so that it could know of no change.
    """

    site: Site
    addressed: Mapping[str, Addressed]
    wishes: Mapping[str, Sequence[Wish]]
    blind: Spans

    def check(self) -> None:
        """AssertionError where a promise to a person was broken."""
        taken = taken_at(self.site)
        unwanted = [each for text in taken for each in self._unwanted(text, taken[text])]
        assert not unwanted, f"handed over against the wish of a person: {unwanted}"
        too_many = [each for each in self._windows(taken) if len(each) > CAP]
        assert not too_many, f"more than {CAP} in {CAP_SECONDS} s: {too_many}"
        unasked = list(self._unasked())
        assert not unasked, f"suppressed for a reason that was not there: {unasked}"

    def waited(self) -> int:
        """Returns how many were handed over that had come in quiet hours."""
        quiets = {name: _of(wishes, "quiet") for name, wishes in self.wishes.items()}
        asked = (self.addressed[text] for text in taken_at(self.site))
        return sum(any(begin <= to.asked < end for begin, end in quiets.get(to.person, ())) for to in asked)

    def capped(self) -> tuple[int, int]:
        """Returns how many were handed over of what has a cap, and how many of them took the last place."""
        windows = list(self._windows(taken_at(self.site)))
        return len(windows), sum(len(window) == CAP for window in windows)

    def _unwanted(self, text: str, times: Sequence[float]) -> Iterator[str]:
        """Yields what keeps it back from before it was posted, or for a while, until after it was taken."""
        to = self.addressed[text]
        spans = [(wish, span) for wish in self._wishes_about(to) for span in wish.certainly()]
        for wish, (begin, end) in spans:
            for at in times:
                late = at - begin - _together(self.blind, begin, at)
                if begin < at < end and (begin < to.asked or late > SEEN):
                    yield f"{text} to {to.person}, {wish.why}: {late:.1f} s after, posted {to.asked - begin:+.1f} s"

    def _windows(self, taken: Mapping[str, Sequence[float]]) -> Iterator[dict[str, float]]:
        """Yields, for each that was taken of what has a cap, what its person got in the time of the cap until then.

        It says how long before. Copies, which the ledger has to mark, count as one.
        """
        found: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for text, times in taken.items():
            to = self.addressed[text]
            if to.category == CAPPED:
                found[to.person] += [(at, text) for at in times]
        for each in found.values():
            each.sort()
            for place, (at, _) in enumerate(each):
                yield {text: at - before for before, text in each[: place + 1] if before > at - CAP_SECONDS}

    def _unasked(self) -> Iterator[str]:
        """Yields what was suppressed although nothing can have kept it back between its post and its end."""
        columns = "message, reason, extract(epoch FROM settled_at) AS ended"
        rows = self.site.platform.sql(f"SELECT {columns} FROM notifications_notification WHERE status = 'suppressed'")
        for row in rows:
            to = self.addressed[_texts(row["message"])[0]]
            spans = [span for wish in self._wishes_about(to) if wish.why == row["reason"] for span in wish.perhaps()]
            if not any(begin <= float(row["ended"]) and to.asked <= end for begin, end in spans):
                yield f"{row['message']} to {to.person or 'an address'}: {row['reason']}"

    def _wishes_about(self, to: Addressed) -> list[Wish]:
        return [wish for wish in self.wishes.get(to.person, ()) if wish.concerns(to)]


def taken_at(site: Site) -> dict[str, list[float]]:
    """Returns when providers took each text, by itself or in a digest."""
    taken: dict[str, list[float]] = defaultdict(list)
    for entry in site.providers.accepted:
        for text in _texts(entry.text):
            taken[text].append(entry.at)
    return taken


def _texts(message: str) -> list[str]:
    """Returns the texts of the members of a digest, or that of another message."""
    lines = message.splitlines()
    listed = [line.removeprefix("- ") for line in lines if line.startswith("- ")]
    return listed or [message]


def _of(wishes: Sequence[Wish], why: str) -> list[tuple[float, float]]:
    return [span for wish in wishes if wish.why == why for span in wish.certainly()]


def _together(spans: Spans, begin: float, end: float) -> float:
    """Returns how many seconds of the time from `begin` to `end` are in spans, which do not overlap."""
    return sum(max(0.0, min(end, last) - max(begin, first)) for first, last in spans)
