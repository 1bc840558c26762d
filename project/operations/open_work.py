"""What the overview shows of problems and runs: what grows or came back, what runs, and what this person has taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from dlq.admin.problems import problem_shown as shown
from dlq.admin.problems.problem_list import needing
from dlq.models import Problem, Run
from notifications.channels import channel_in_words
from project.desk.cells import cut
from project.desk.moments import age
from project.operations.links import Links
from project.operations.verdict import Sentence

MOST = 5  # of each, in a card
LONGEST_EXAMPLE = 80
GROWING = "growing"
BACK = Problem.State.BACK.label
NEW = Problem.State.NEW.label.lower()
TONES = {GROWING: "bad", BACK: "bad", NEW: "odd"}
BEGINNINGS = {GROWING: "A problem grows", BACK: "A problem that was fixed is back"}

State = Problem.State


@dataclass(frozen=True, slots=True)
class Work:
    title: str
    link: str
    mark: str = ""
    tone: str = ""
    detail: str = ""
    note: str = ""
    taken: bool = False


@dataclass(frozen=True, slots=True)
class Some:
    """The first few of a list, and whether there are more."""

    rows: list[Work]
    more: bool
    link: str


def problems(now: datetime, links: Links) -> Some:
    """Returns the problems that need somebody, those that grow first."""
    found = needing(Problem.objects.all()).order_by("-growing", "-last_seen")
    return _some(list(found[: MOST + 1]), now, links)


def my_problems(name: str, now: datetime, links: Links) -> Some:
    """Returns the problems that this person has taken and that are not fixed."""
    mine = Problem.objects.filter(owner=name).exclude(state__in=(State.FIXED, State.IGNORED))
    return _some(list(mine.order_by("-growing", "-last_seen")[: MOST + 1]), now, links)


def runs(links: Links) -> Some:
    """Returns the runs that are not over."""
    found = list(Run.objects.filter(ended_at=None).order_by("-id")[: MOST + 1])
    rows = [
        Work(
            f"Run {run.pk}",
            links.to_one("dlq_run", run.pk),
            run.get_state_display(),
            "odd" if run.state in (Run.State.PAUSED, Run.State.ASKED) else "",
            f"{run.sent:,} of {run.going or run.asked:,} sent, {run.died_again:,} died again",
            f"by {run.actor}" + (f": {run.why_paused}" if run.why_paused else ""),
        )
        for run in found[:MOST]
    ]
    return Some(rows, len(found) > MOST, links.to("dlq_run"))


def sentences(problems: Some | None, runs: Some | None) -> Iterator[Sentence]:
    """Yields what the first lines of the page say of these."""
    for row in problems.rows if problems else []:
        if row.mark in BEGINNINGS:
            yield Sentence(f"{BEGINNINGS[row.mark]}: {row.title}, {row.detail}.", "odd", row.link)
    if problems:
        yield from _unseen(problems)
    for row in runs.rows if runs else []:
        if row.mark == Run.State.PAUSED.label:
            yield Sentence(f"{row.title} is paused, {row.note.rstrip('.')}.", "odd", row.link)
        if row.mark == Run.State.ASKED.label:
            yield Sentence(f"{row.title} {row.mark} to approve it, asked for {row.note}.", "odd", row.link)


def _unseen(problems: Some) -> Iterator[Sentence]:
    """Yields one sentence about the new problems that nobody is on."""
    unseen = [row for row in problems.rows if row.mark == NEW and not row.taken]
    if len(unseen) == 1:
        yield Sentence(f"Nobody has looked at a problem: {unseen[0].title}, {unseen[0].detail}.", "odd", unseen[0].link)
    elif unseen:
        count = f"{len(unseen)} problems or more" if problems.more else f"{len(unseen)} problems"
        yield Sentence(f"Nobody has looked at {count}.", "odd", problems.link)


def _some(found: list[Problem], now: datetime, links: Links) -> Some:
    return Some([_row(problem, now, links) for problem in found[:MOST]], len(found) > MOST, links.to("dlq_problem"))


def _row(problem: Problem, now: datetime, links: Links) -> Work:
    channel = channel_in_words(problem.channel) if problem.channel else "no channel"
    way = f"{channel} over {problem.provider}" if problem.provider else channel
    owner = f", taken by {problem.owner}" if problem.owner else ""
    mark = shown.state(problem)
    return Work(
        f"{shown.title(problem)}: {way}",
        links.to_one("dlq_problem", problem.pk) or links.letters(problem=str(problem.pk)),
        mark,
        TONES.get(mark, ""),
        f"{problem.open_letters:,} open",
        f"last {age(problem.last_seen, now)}{owner}. {cut(problem.example, LONGEST_EXAMPLE)}",
        taken=bool(problem.owner),
    )
