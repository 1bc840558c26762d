"""What people do with runs: begin one, approve or refuse it, pause, resume and stop it. Its job does the rest.

Each verb is one transaction and one staff action. It locks the run's job before the run, as the job's steps do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Now

from dlq.models import Run
from dlq.runs.groups import FRESH, LEFT_OUT, MOST_IN_A_RUN, Trait, dry_run
from dlq.runs.replaying import CANARY, count, forget_term
from dlq.selection import Selection
from notifications.messages.words import StaffVerb
from notifications.models import BreakerEvent, Job
from notifications.scheduling import job_rows
from project.database.dialects import clock
from project.desk.audit import LONGEST_TEXT, one_at_a_time, printed, write_actions

KIND = "replay"  # of its job
RATES = (5, 50, 500, None)  # letters a second for each provider; None: as fast as it goes
RATE = 50

State = Run.State


class NotBegun(Exception):
    """The run does not begin. The text is a sentence for staff."""


class NotInState(Exception):
    """Somebody was first, or the run is over. The text is a sentence for staff."""

    def __init__(self, run: Run | None, run_id: int) -> None:
        now = State(run.state).label.lower() if run else "not there"
        super().__init__(f"Run {run_id} is {now}.")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a person answered to the question: which letters, which groups of them (`ticked`), how and why.

    `question` is a random word, so that an answer that is posted twice makes one run. `at_most` is how many letters
    this person may replay, None for any number.
    """

    selection: Selection
    ticked: Sequence[str]
    reason: str
    question: str | None = None
    expires_at: datetime | None = None
    per_second: int | None = RATE
    at_most: int | None = None


def begin(asked: Asked, actor: str) -> Run:
    """Makes a run of what was asked, and its job, unless a second person must approve it first.

    Returns the run; the one that this question has led to before, if any. Raises NotBegun.
    """
    with one_at_a_time():
        before = Run.objects.filter(question=asked.question).first() if asked.question else None
        if before is not None:
            return before
        run = _checked(asked, actor)
        run.save()
        write_actions(actor, StaffVerb.REPLAY, [(target(run.pk), None)], _in_words(run), **_about(run, run.reason))
        if run.state == State.RUNNING:
            _start(run)
    return run


def approve(run_id: int, actor: str, reason: str = "") -> Run:
    """Lets a run begin that waits for a second person. Raises NotInState, and NotBegun for who asked for it."""
    with _locked(run_id, State.ASKED) as run:
        if run.actor == actor:
            raise NotBegun("You asked for this run, so somebody else must approve it.")
        run.approved_by, run.state = actor, State.RUNNING
        run.save()
        write_actions(actor, StaffVerb.APPROVE_RUN, [(target(run.pk), None)], **_about(run, reason))
        _start(run)
    return run


def refuse(run_id: int, actor: str, reason: str = "") -> Run:
    """Ends a run that waits for a second person, before it begins. Raises NotInState."""
    with _locked(run_id, State.ASKED) as run:
        run.state, run.why_paused = State.REFUSED, f"Refused by {actor}. {reason}".strip()[:255]
        forget_term(run)
        run.save()
        Run.objects.filter(pk=run.pk).update(ended_at=Now())
        write_actions(actor, StaffVerb.REFUSE_RUN, [(target(run.pk), None)], **_about(run, reason))
    return run


def pause(run_id: int, actor: str) -> Run:
    """Takes no further letters until somebody resumes it. What is on its way goes on. Raises NotInState."""
    with _locked(run_id, State.RUNNING) as run:
        run.state, run.why_paused = State.PAUSED, f"Paused by {actor}."
        run.save()
        write_actions(actor, StaffVerb.PAUSE_RUN, [(target(run.pk), None)], **_about(run))
    return run


def resume(run_id: int, actor: str) -> Run:
    """Goes on, without waiting for the first letters any more; also where the job was paused or has failed.

    Raises NotInState.
    """
    with _locked(run_id, State.PAUSED, State.RUNNING) as run:
        was_paused = run.state == State.PAUSED
        if not _revive(run) and not was_paused:
            raise NotInState(run, run_id)
        if was_paused:
            run.canary = 0
            _note_beginning(run)
        run.state, run.why_paused = State.RUNNING, ""
        run.save()
        write_actions(actor, StaffVerb.RESUME_RUN, [(target(run.pk), None)], **_about(run))
    return run


def stop(run_id: int, actor: str) -> Run:
    """Ends the run: what it has not sent is open again. Its job takes back what waits. Raises NotInState."""
    with _locked(run_id, State.RUNNING, State.PAUSED) as run:
        run.state, run.why_paused = State.STOPPED, ""
        run.save()
        _revive(run)
        write_actions(actor, StaffVerb.STOP_RUN, [(target(run.pk), None)], **_about(run))
    return run


def target(run_id: int) -> str:
    """Returns the name of a run in the staff actions."""
    return f"run {run_id}"


def needs_approval(letters: int, actor: str) -> bool:
    """Returns True where a second person must approve a run of so many letters, beside this person's other runs."""
    return 0 < settings.DESK_APPROVAL_ABOVE < letters + under_way(actor)


def under_way(actor: str) -> int:
    """Returns how many letters are in this person's runs that are not over: many small runs are one large one."""
    found = Run.objects.filter(actor=actor, ended_at=None).aggregate(letters=Sum("going"))
    return int(found["letters"] or 0)


def _checked(asked: Asked, actor: str) -> Run:
    dry = dry_run(asked.selection)
    going = dry.going(asked.ticked)
    if not going:
        raise NotBegun("None of these letters can be sent again, or none was ticked.")
    _bounded(going, asked.at_most, actor)
    if going > 1 and not asked.reason.strip():
        raise NotBegun("Say why these letters are sent again.")
    if Trait.EXPIRED.word in asked.ticked and dry.first(Trait.EXPIRED) and asked.expires_at is None:
        raise NotBegun("What has expired needs a new expiry.")
    return Run(
        actor=actor,
        reason=asked.reason.strip()[:LONGEST_TEXT],
        selection=asked.selection.as_json(),
        take=[word for word in (FRESH, *(trait.word for trait in Trait)) if word in asked.ticked],
        expires_at=asked.expires_at if Trait.EXPIRED.word in asked.ticked else None,
        per_second=asked.per_second,
        canary=CANARY if going > CANARY else 0,
        question=asked.question or None,
        last_letter=dry.last,
        state=State.ASKED if needs_approval(going, actor) else State.RUNNING,
        asked=dry.total,
        going=going,
    )


def _bounded(going: int, at_most: int | None, actor: str) -> None:
    """Raises NotBegun for more letters than this person may send again at once, by one run or by several."""
    if at_most is None:
        return
    most = f"You may send {at_most:,} letters again at once"
    if going > at_most:
        raise NotBegun(f"{most}, and these are {going:,}.")
    if at_most < MOST_IN_A_RUN and going + (others := under_way(actor)) > at_most:
        raise NotBegun(f"{most}, and {others:,} are in runs of yours that are not over: wait until they are.")


def _in_words(run: Run) -> str:
    groups = ", ".join(LEFT_OUT[word].lower() if word != FRESH else FRESH for word in run.take)
    renewed = f"; new expiry of what has expired: {printed(run.expires_at)}" if run.expires_at else ""
    return f"{run.going:,} of {run.asked:,} letters: {groups}{renewed}"


def _about(run: Run, reason: str = "") -> dict[str, Any]:
    return {"reason": reason, "run_id": run.pk}


def _start(run: Run) -> None:
    job = job_rows.create(KIND, run.actor, parameters={"run": run.pk})
    run.job_id = job.pk
    _note_beginning(run)
    run.save()
    Run.objects.filter(pk=run.pk).update(started_at=Now())


def _note_beginning(run: Run) -> None:
    """What was there before counts no more: neither a breaker's opening nor deaths that somebody has looked at."""
    count(run)
    breaker = BreakerEvent.objects.order_by("-pk").values_list("pk", flat=True).first()
    at = clock().isoformat()
    run.since = {"breaker": breaker or 0, "sent": run.sent, "died": run.died_again, "at": at}


def _revive(run: Run) -> bool:
    """Has the job's next step done at once. Returns whether the job had been paused, cancelled or given up."""
    job = Job.objects.filter(pk=run.job_id or 0).first()
    asleep = job is not None and job.state in (Job.State.PAUSED, Job.State.CANCELLED, Job.State.FAILED)
    changed: dict[str, Any] = {"due_at": Now()}
    if asleep:
        changed |= {"state": Job.State.WAITING, "owner": None, "lease_until": None, "ended_at": None}
        changed |= {"failures": 0, "error": ""}
    Job.objects.filter(pk=run.job_id or 0).exclude(state=Job.State.DONE).update(**changed)
    return asleep


@contextmanager
def _locked(run_id: int, *states: Run.State) -> Iterator[Run]:
    """Yields the run, locked, where it is in one of these states. Raises NotInState."""
    with one_at_a_time():
        job = Run.objects.filter(pk=run_id).values_list("job_id", flat=True).first()
        list(Job.objects.filter(pk=job or 0).select_for_update().values_list("pk"))
        run = Run.objects.select_for_update().filter(pk=run_id).first()
        if run is None or run.state not in states or run.ended_at is not None:
            raise NotInState(run, run_id)
        yield run
