"""How problems are shown: words in place of codes, and bars for hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil

from django.utils import timezone
from django.utils.html import format_html

from dlq.models import Problem
from dlq.problems.assigning import hour_of
from dlq.problems.counts import MOST_RECEIVERS, ONE_HOUR, Rates
from project.desk.audit import printed
from project.desk.in_words import in_words

BAR, GAP, HEIGHT = 4, 1, 32
SHOWN_OF_EXAMPLE = 120
STATE_COLOURS = {"growing": "danger", "back again": "warning", "new": "info"}


@dataclass(frozen=True, slots=True)
class Bars:
    """Deaths of consecutive hours, the last of which is now."""

    deaths: Sequence[int]
    until: datetime

    @classmethod
    def of(cls, hours: Mapping[datetime, int], now: datetime, count: int) -> Bars:
        until = hour_of(now)
        return cls([hours.get(until - back * ONE_HOUR, 0) for back in reversed(range(count))], until)

    @property
    def in_words(self) -> str:
        """What a screen reader reads in place of the picture."""
        total, most, count = sum(self.deaths), max(self.deaths), len(self.deaths)
        period = f"{count // 24} days" if count > 24 else f"{count} hours"
        if not total:
            return f"No letter in the last {period}."
        at = self.until - list(reversed(self.deaths)).index(most) * ONE_HOUR
        hour = timezone.localtime(at).strftime("%Y-%m-%d %H:%M %Z")
        return f"{total:,} letters in the last {period}, the most ({most:,}) in the hour from {hour}."

    @property
    def svg(self) -> str:
        """The picture: a bar for each hour, as high as its share of the highest."""
        top = max(*self.deaths, 1)
        heights = [1 + (ceil(deaths / top * (HEIGHT - 1))) for deaths in self.deaths]
        path = "".join(f"M{place * (BAR + GAP)} {HEIGHT}v-{high}h{BAR}v{high}z" for place, high in enumerate(heights))
        width = len(self.deaths) * (BAR + GAP) - GAP
        return format_html(
            '<svg class="desk-bars" role="img" viewBox="0 0 {} {}" width="{}" height="{}" preserveAspectRatio="none">'
            '<title>{}</title><path d="{}"/></svg>',
            *(width, HEIGHT, width, HEIGHT, self.in_words, path),
        )


def title(problem: Problem) -> str:
    """Returns such as "Text refused"."""
    words = in_words("cause", problem.cause)
    return words[:1].upper() + words[1:]


def way(problem: Problem) -> str:
    """Returns by which channel and provider: such as "EMAIL over smtp"."""
    return " over ".join(filter(None, (problem.channel, problem.provider))) or "no channel"


def short_example(problem: Problem) -> str:
    text = problem.example
    return text if len(text) <= SHOWN_OF_EXAMPLE else f"{text[:SHOWN_OF_EXAMPLE]}…"


def state(problem: Problem) -> str:
    """Returns one word for where it stands. That it grows comes first, unless staff have judged it."""
    if problem.growing and problem.state in (Problem.State.NEW, Problem.State.BACK):
        return "growing"
    return Problem.State(problem.state).label.lower()


def standing(problem: Problem) -> str:
    """Returns a sentence about the state."""
    match problem.state:
        case Problem.State.KNOWN:
            return f"It is known. {_quiet(problem)}"
        case Problem.State.FIXED:
            return "It is fixed. With the next letter that dies of it, it is back."
        case Problem.State.BACK:
            return "Somebody marked it as fixed, and it is back: letters died of it since."
        case Problem.State.IGNORED:
            return "It is ignored: it is not in the list of what needs somebody."
    return "It grows: more than twice as many letters an hour as usual." if problem.growing else "Nobody judged it yet."


def _quiet(problem: Problem) -> str:
    until = f"until {printed(problem.quiet_until)}" if problem.quiet_until else ""
    below = f"until more than {problem.quiet_below:,} letters die of it in an hour" if problem.quiet_below else ""
    if not (until or below):
        return "It is not quiet any more: look whether it is still the same."
    return f"It is quiet {', or '.join(filter(None, (until, below)))}."


def receivers(problem: Problem) -> str:
    """Returns how many; a dash where the letters have no receivers, such as those of records nobody can read."""
    if not problem.receivers:
        return "–"
    return f"{problem.receivers:,}{'+' if problem.receivers >= MOST_RECEIVERS else ''}"


def rates_in_words(rates: Rates) -> str:
    """Returns such as "150 in the last hour, 88 before"."""
    return f"{round(rates.last):,} in the last hour, {round(rates.before):,} before"
