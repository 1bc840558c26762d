"""The charts of the last day, and the same numbers as a table, each with the list behind it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from notifications.messages.words import Happened, Status
from project.operations import figures
from project.operations.channel_rows import Figure
from project.operations.figures import Hour
from project.operations.links import Links

COLOURS = {
    Happened.SENT: "var(--color-primary-600)",
    Happened.FAILED: "#f59e0b",
    Happened.DEAD: "#dc2626",
}
TITLES = {Happened.SENT: "Sent", Happened.FAILED: "Failed, to be tried again", Happened.DEAD: "Died"}
MOST_TICKS = 12


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    data: str  # JSON, as django-unfold's chart takes it, with the links of each bar


@dataclass(frozen=True, slots=True)
class Line:
    """One hour of the table."""

    hour: str
    figures: list[Figure]


@dataclass(frozen=True, slots=True)
class Day:
    charts: list[Chart]
    titles: list[str]
    lines: list[Line]


def day(now: datetime, links: Links) -> Day:
    """Returns the last day, by the hour, with one query."""
    hours = figures.last_day(now)
    charts = [Chart(TITLES[word], json.dumps(_data(word, hours, links))) for word in figures.IN_CHARTS]
    lines = [
        Line(f"{hour.begin:%H:%M}", [_figure(hour, word, links) for word in figures.IN_CHARTS])
        for hour in reversed(hours)
    ]
    return Day(charts, [TITLES[word] for word in figures.IN_CHARTS], lines)


def _data(word: Happened, hours: Sequence[Hour], links: Links) -> dict[str, Any]:
    """Returns the data of one chart: django-unfold draws several sets of bars over each other."""
    bars = {
        "label": TITLES[word],
        "data": [hour.counts.get(word, 0) for hour in hours],
        "links": [_link(hour, word, links) for hour in hours],
        "backgroundColor": COLOURS[word],
        "displayYAxis": True,
        "maxTicksXLimit": MOST_TICKS,
    }
    return {"labels": [f"{hour.begin:%H}" for hour in hours], "datasets": [bars]}


def _figure(hour: Hour, word: Happened, links: Links) -> Figure:
    count = hour.counts.get(word, 0)
    return Figure(f"{count:,}", _link(hour, word, links) if count else "")


def _link(hour: Hour, word: Happened, links: Links) -> str:
    """Returns the list behind a bar: letters that died in the hour, else notifications that were accepted in it."""
    if word is Happened.DEAD:
        return links.letters(state="all", **links.span("died_at", hour.begin, hour.end))
    accepted = links.span("accepted_at", hour.begin, hour.end)
    return links.notifications(**({"status": Status.SENT.value} if word is Happened.SENT else {}), **accepted)
