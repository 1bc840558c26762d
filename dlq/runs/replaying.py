"""The job of a run: takes its letters a few hundred at a time, watches what becomes of them, and ends the run.

Each step is one transaction: the run's row, the letters, their notifications, the events and the job's cursor move
together or not at all. What decides is the run's state, which people change (steering.py); while it is paused, the job
only watches. A letter becomes the run's by a compare-and-set on its state, so two runs never share one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils import timezone

from dlq.models import DeadLetter, Run
from dlq.runs import takeback
from dlq.runs.groups import BUSY, Trait, classified, unfinished_runs, why_left_out
from dlq.selection import Selection, from_json
from dlq.verbs import REPLAYABLE, has_expired, send_again
from notifications.messages.words import BreakerState
from notifications.models import BreakerEvent, Category, Job
from notifications.scheduling.job_rows import Step
from project.database.dialects import clock
from project.desk.audit import printed

BATCH = 500  # letters that one step looks at
ON_THEIR_WAY = 2_000  # letters of a run at once, so that it cannot flood the topics, and can still be stopped
WATCH = 2.0  # seconds between two looks at what became of them
IDLE = 5.0  # the same, while it is paused
CANARY = 20
ENOUGH = 0.95  # of the first letters, which must arrive
LEAST_ENDED = 50  # letters, before a share of deaths says anything
MOST_DIED = 0.2
BURST = 3.0  # seconds of the rate that a step may make up for
MOST_IN_SUMMARY = 20
REMOVED = "(removed)"  # instead of what was searched for, once a run is over

State = DeadLetter.State


@dataclass(slots=True)
class Cursor:
    """How far a run's job is. `after` is the last letter looked at; `missed` are those that somebody had locked.

    They are looked at once more at the end: `again` is what they are then, and empty before.
    """

    after: int = 0
    missed: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    through: bool = False  # every letter was looked at
    at: str = ""  # when the tokens were counted
    tokens: dict[str, float] = field(default_factory=dict)  # letters that may go now, by provider
    providers: list[str] = field(default_factory=list)  # of the letters taken

    def words(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


class Replay:
    """The kind of job. Its parameter `run` is the number of the run."""

    every: timedelta | None = None

    def total(self, job: Job) -> int | None:
        return Run.objects.filter(pk=job.parameters["run"]).values_list("asked", flat=True).first()

    def step(self, job: Job, cursor: Any) -> Step:
        run = Run.objects.select_for_update().filter(pk=job.parameters["run"]).first()
        if run is None or run.ended_at is not None:
            return Step()
        if run.state == Run.State.STOPPED:
            return _stop(run, cursor)
        place = Cursor(**(cursor or {}))
        count(run)
        if run.state == Run.State.RUNNING and not place.through and (why := why_to_pause(run, place)):
            run.state, run.why_paused = Run.State.PAUSED, why[:255]
        looked_at, pause = 0, WATCH if run.state == Run.State.RUNNING else IDLE
        if run.state == Run.State.RUNNING and not place.through:
            looked_at, pause = take(run, place)
        if place.through and not run.on_their_way:
            finish(run, Run.State.DONE)
            return Step(None, {"letters": looked_at})
        run.save()
        return Step(place.words(), {"letters": looked_at}, pause)


def count(run: Run) -> None:
    """Counts what became of the run's letters, by their index."""
    found = dict(DeadLetter.objects.filter(run=run).order_by().values_list("state").annotate(Count("pk")))
    run.sent = found.pop(State.RESOLVED, 0)
    run.on_their_way = found.pop(State.REPLAYING, 0)
    run.died_again = sum(found.values())


def why_to_pause(run: Run, place: Cursor) -> str:
    """Returns why the run must not go on by itself, as a sentence; "" where it may."""
    if run.canary and run.died_again > run.canary - _enough(run):
        return f"{run.died_again:,} of the first {run.taken:,} died again."
    if run.canary <= run.taken and not run.on_their_way and run.sent < _enough(run):
        return f"Of the first {run.taken:,}, {run.sent:,} arrived."
    died = run.died_again - run.since.get("died", 0)
    ended = died + run.sent - run.since.get("sent", 0)
    if ended >= LEAST_ENDED and died >= MOST_DIED * ended:
        return f"{died:,} of the last {ended:,} died again."
    opened = BreakerEvent.objects.filter(pk__gt=run.since.get("breaker", 0), state=BreakerState.OPEN)
    event = opened.filter(provider__in=place.providers).order_by("pk").first()
    if event:
        return f"{event.channel} over {event.provider} is out of order since {printed(event.at)}."
    return ""


def take(run: Run, place: Cursor) -> tuple[int, float]:
    """Sends the next letters again, as far as the run may. Returns how many it looked at, and the seconds to wait."""
    most = min(BATCH, ON_THEIR_WAY - run.on_their_way)
    if run.canary:
        most = min(most, run.canary - run.taken)
        if most <= 0 and run.sent < _enough(run):
            return 0, WATCH / 2
        if most <= 0:
            run.canary, most = 0, min(BATCH, ON_THEIR_WAY - run.on_their_way)
    if most <= 0:
        return 0, WATCH / 4
    rows = _next(run, place)
    chosen, looked_at, out_of_tokens = _choose(run, place, rows, most)
    missed = set(chosen) - set(_send(run, chosen))
    _leave(run, BUSY, len(missed))
    run.looked_at += looked_at
    if not place.again:
        place.missed = sorted({*place.missed, *missed})[: 2 * BATCH]
    if looked_at == len(rows) < BATCH:
        place.through = not _look_again(run, place)
        return looked_at, 0.0 if place.through else WATCH / 4
    return looked_at, WATCH / 4 if out_of_tokens else 0.0


def finish(run: Run, state: Run.State) -> None:
    """Ends the run: its figures stay as they are now, and its letters are free for others."""
    died = DeadLetter.objects.filter(run=run).exclude(state__in=(State.RESOLVED, State.REPLAYING)).order_by()
    causes = died.values_list("problem", "cause").annotate(letters=Count("pk")).order_by("-letters", "cause")
    run.summary = [
        {"problem": problem, "cause": cause, "letters": letters} for problem, cause, letters in causes[:MOST_IN_SUMMARY]
    ]
    forget_term(run)
    run.state, run.why_paused = state, ""
    run.save()
    Run.objects.filter(pk=run.pk).update(ended_at=Now())


def forget_term(run: Run) -> None:
    """Takes away what was searched for, which may be a receiver. Once a run is over nobody needs it."""
    if run.selection.get("term"):
        run.selection = run.selection | {"term": REMOVED}


def _enough(run: Run) -> int:
    """Returns how many of the first letters must arrive before the others go."""
    return round(ENOUGH * run.canary)


def _next(run: Run, place: Cursor) -> list[tuple[int, int, str]]:
    """Returns (letter, kind, provider) of the next letters of the selection."""
    selection: Selection = from_json(run.selection)
    rows = selection.rows().filter(pk__gt=place.after, pk__lte=run.last_letter)
    if place.again:
        rows = rows.filter(pk__in=place.again)
    return list(classified(rows, run=run.pk).values_list("pk", "kind", "provider")[:BATCH])


def _choose(run: Run, place: Cursor, rows: Sequence[tuple[int, int, str]], most: int) -> tuple[list[int], int, bool]:
    """Goes through the rows until enough are chosen, or a provider's rate is used up, and notes what stays.

    Returns the chosen letters, how many rows it went through, and whether a rate ended it.
    """
    _refill(run, place)
    chosen: list[int] = []
    left: Counter[str] = Counter()
    out_of_tokens = False
    gone_through = 0
    for letter, kind, provider in rows:
        why = why_left_out(kind, run.take)
        if why is None and len(chosen) == most:
            break
        if why is None and run.per_second:
            tokens = place.tokens.setdefault(provider, float(run.per_second))
            if tokens < 1.0:
                out_of_tokens = True
                break
            place.tokens[provider] = tokens - 1.0
        if why is None:
            chosen.append(letter)
            if provider not in place.providers:
                place.providers.append(provider)
        else:
            left[why] += 1
        gone_through += 1
        place.after = letter
    for why, letters in left.items():
        _leave(run, why, letters)
    return chosen, gone_through, out_of_tokens


def _refill(run: Run, place: Cursor) -> None:
    now = clock()
    if run.per_second and place.at:
        passed = (now - datetime.fromisoformat(place.at)).total_seconds()
        most = BURST * run.per_second
        place.tokens = {name: min(most, have + passed * run.per_second) for name, have in place.tokens.items()}
    place.at = now.isoformat()


def _send(run: Run, ids: Sequence[int]) -> list[int]:
    """Sends these letters again, as far as they are still open and nobody has them locked.

    Returns the numbers of those it is done with: sent, or expired meanwhile and left out.
    """
    if not ids:
        return []
    free = Q(run=None) | ~Q(run__in=list(unfinished_runs().values_list("pk", flat=True)))
    still = DeadLetter.objects.filter(free, pk__in=ids, state=State.OPEN, notification__status__in=REPLAYABLE)
    locked = still.select_related("notification").select_for_update(skip_locked=True, of=("self", "notification"))
    read = ("id", "status", "expires_at", "category", "trace_id")
    letters = list(locked.only("id", *(f"notification__{name}" for name in read)).order_by("id"))
    late = [letter for letter in letters if has_expired(letter)]
    sensitive = Category.sensitive_names() if late else frozenset()
    never = [letter for letter in late if letter.notification and letter.notification.category in sensitive]
    stays = never if _renews(run) else late
    for why, those in (("sensitive", never), (Trait.EXPIRED.word, [each for each in stays if each not in never])):
        _leave(run, why, len(those))
    fresh = [letter for letter in letters if letter not in late]
    renewed = [letter for letter in late if letter not in stays]
    if fresh:
        send_again(fresh, run=run)
    if renewed:
        send_again(renewed, run=run, expires_at=run.expires_at)
    run.taken += len(fresh) + len(renewed)
    run.on_their_way += len(fresh) + len(renewed)
    return [letter.pk for letter in letters]


def _renews(run: Run) -> bool:
    """Returns True where what has expired goes, with the new expiry that somebody typed."""
    return Trait.EXPIRED.word in run.take and run.expires_at is not None and run.expires_at > timezone.now()


def _look_again(run: Run, place: Cursor) -> bool:
    """Begins anew with the letters that somebody had locked, which counted as left out. Returns False for none."""
    if not place.missed:
        return False
    _leave(run, BUSY, -len(place.missed))
    run.looked_at -= len(place.missed)
    place.again, place.missed, place.after = place.missed, [], 0
    return True


def _leave(run: Run, why: str, letters: int) -> None:
    left = run.left_out.get(why, 0) + letters
    run.left_out = {**run.left_out, why: left} if left else {k: n for k, n in run.left_out.items() if k != why}


def _stop(run: Run, cursor: Any) -> Step:
    """Takes back what has not been published yet, batch by batch, and ends the run."""
    taken_back = takeback.take_back(run.pk, run.expires_at, BATCH)
    run.taken -= taken_back
    run.taken_back += taken_back
    count(run)
    if taken_back == BATCH:
        run.save()
        return Step(cursor or {}, {})
    finish(run, Run.State.STOPPED)
    return Step()
