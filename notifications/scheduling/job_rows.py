"""The table of jobs: making one, leasing it for a step, moving its cursor, and what a person may do to it.

Every change is a compare-and-set: on the owner where a runner makes it, on the state where a person does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Coalesce, Now

from notifications.messages.words import StaffVerb
from notifications.models import Job
from project.database.dialects import Dialect, Statement, clock
from project.desk.audit import expect, one_at_a_time, write_actions

State = Job.State
UNFINISHED = (State.WAITING, State.RUNNING, State.PAUSED)
TO_DO = (State.WAITING, State.RUNNING)
LONGEST_ERROR = 1000
SCHEDULER = "scheduler"  # the actor of what begins by itself

_NOW: dict[str, Any] = {"created_at": Now(), "due_at": Now()}
# What a person may do: from which states, to which.
VERBS: dict[str, tuple[tuple[Job.State, ...], Job.State]] = {
    "pause": (TO_DO, State.PAUSED),
    "resume": ((State.PAUSED, State.FAILED), State.WAITING),
    "cancel": ((*UNFINISHED, State.FAILED), State.CANCELLED),
}


class LeaseLost(RuntimeError):
    """Somebody else has the job by now, or a person paused or cancelled it; the step's transaction is undone."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a job did. `cursor` is where the next one begins, None where nothing is left to do."""

    cursor: Any = None
    counts: Mapping[str, int] = field(default_factory=dict)  # items done, by name
    pause: float = 0.0  # seconds before the next step, where the job's rate says no more


def create(kind: str, actor: str, *, parameters: Mapping[str, Any] | None = None, rate: float | None = None) -> Job:
    """Makes a job that is due at once. Returns it."""
    job = Job(kind=kind, actor=actor, parameters=dict(parameters or {}), rate=rate, **_NOW)
    job.save()
    job.refresh_from_db()
    return job


def create_for_period(kind: str, every: timedelta) -> bool:
    """Makes the job of this period, unless there is one, or an earlier one is unfinished. Returns whether it did.

    An earlier one that a person paused stays paused: no other takes its place.
    """
    now = clock()
    period = datetime.fromtimestamp(now.timestamp() // every.total_seconds() * every.total_seconds(), UTC)
    key = f"{kind} {period:%Y-%m-%dT%H:%M:%SZ}"
    if Job.objects.filter(Q(key=key) | Q(kind=kind, state__in=UNFINISHED)).exists():
        return False
    Job.objects.bulk_create([Job(kind=kind, key=key, actor=SCHEDULER, **_NOW)], ignore_conflicts=True)
    return True


def take(owner: str, kinds: Collection[str], lease: float, *, only: int | None = None) -> Job | None:
    """Leases the job whose step has been due longest to `owner`, for `lease` seconds. Returns it as it was, or None.

    A lease of the owner's own is one it left behind when the database went away.
    """
    if not any_job_due():
        return None  # as nearly always: the ORM's question would take four times as long
    chosen = _due(owner, kinds).filter(**({} if only is None else {"pk": only})).order_by("due_at", "id")
    if not chosen.exists():
        return None  # without a transaction, which on SQLite keeps everybody else from writing
    with transaction.atomic():
        job = chosen.select_for_update(skip_locked=True).first()
        if job is not None:
            until = Now() + timedelta(seconds=lease)
            started_at = Coalesce("started_at", Now())
            leased = {"state": State.RUNNING, "owner": owner, "lease_until": until, "started_at": started_at}
            Job.objects.filter(pk=job.pk).update(**leased)
    return job


@Statement
def any_job_due(d: Dialect) -> str:
    """Jobs that somebody has leased, or that are of another kind, included."""
    states = ", ".join(f"'{state}'" for state in TO_DO)
    return f"SELECT 1 FROM notifications_job WHERE state IN ({states}) AND due_at <= {d.now} LIMIT 1"


def _due(owner: str, kinds: Collection[str]) -> QuerySet[Job]:
    free = Q(lease_until=None) | Q(lease_until__lt=Now()) | Q(owner=owner)
    return Job.objects.filter(free, kind__in=list(kinds), state__in=TO_DO, due_at__lte=Now())


def lock(pk: int, owner: str) -> Job:
    """Returns the job, locked until the transaction ends, so that nobody takes, pauses or cancels it meanwhile.

    Raises LeaseLost.
    """
    job = _mine(pk, owner).select_for_update().first()
    if job is None:
        raise LeaseLost
    return job


def move(job: Job, owner: str, step: Step) -> None:
    """Moves the cursor and ends the lease, in the transaction that did the step's work. Raises LeaseLost."""
    items = sum(step.counts.values())
    job.counts = dict(Counter(job.counts) + Counter(step.counts))
    moved: dict[str, Any] = {"cursor": step.cursor, "counts": job.counts, "done": job.done + items}
    moved |= {"failures": 0, "error": "", "owner": None, "lease_until": None}
    if step.cursor is None:
        moved |= {"state": State.DONE, "ended_at": Now()}
    else:
        pause = max(step.pause, items / job.rate if job.rate else 0.0)
        moved |= {"due_at": Now() + timedelta(seconds=pause) if pause else Now()}
    _set(job.pk, owner, moved)


def set_total(pk: int, owner: str, total: int | None) -> None:
    """Notes how many items there are. Raises LeaseLost."""
    _set(pk, owner, {"total": total})


def note_failure(pk: int, owner: str, error: str, pauses: Sequence[float]) -> Job.State:
    """Notes that a step failed, to be tried again after the next of `pauses` (seconds). Returns the state then.

    Once all pauses are used up the job has failed. Raises LeaseLost.
    """
    with transaction.atomic():
        failures = lock(pk, owner).failures + 1
        noted: dict[str, Any] = {"failures": failures, "owner": None, "lease_until": None}
        if failures <= len(pauses):
            noted |= {"error": error[:LONGEST_ERROR], "due_at": Now() + timedelta(seconds=pauses[failures - 1])}
        else:
            why = f"Given up after {failures} failures of one step. The last: {error}"[:LONGEST_ERROR]
            noted |= {"error": why, "state": State.FAILED, "ended_at": Now()}
        _set(pk, owner, noted)
    return State(noted.get("state", State.RUNNING))


def change(verb: str, ids: Sequence[int], actor: str) -> int:
    """Pauses, resumes or cancels jobs (a word of VERBS), with staff actions. Returns how many were in a state for it.

    A step that is running ends first. Resuming goes on from the cursor, also where the job has failed.
    """
    states, to = VERBS[verb]
    changed: dict[str, Any] = {"state": to, "owner": None, "lease_until": None, "due_at": Now()}
    changed |= {"ended_at": Now()} if to == State.CANCELLED else {"ended_at": None}
    changed |= {"failures": 0, "error": ""} if to == State.WAITING else {}
    with one_at_a_time():
        chosen = Job.objects.filter(pk__in=list(ids), state__in=states).order_by("pk")
        found = list(chosen.select_for_update().values_list("pk", flat=True))
        if found:
            expect(len(found), Job.objects.filter(pk__in=found).update(**changed))
            write_actions(actor, StaffVerb(f"{verb}-job"), [(f"job {pk}", None) for pk in found])
    return len(found)


def by_state(kinds: Collection[str]) -> dict[tuple[str, str], int]:
    """Returns how many jobs there are, for every kind and state."""
    found = Job.objects.order_by().values_list("kind", "state").annotate(jobs=Count("pk"))
    every = dict.fromkeys(product(kinds, State.values), 0)
    return every | {(kind, state): jobs for kind, state, jobs in found}


def _mine(pk: int, owner: str) -> QuerySet[Job]:
    return Job.objects.filter(pk=pk, owner=owner, state=State.RUNNING)


def _set(pk: int, owner: str, values: Mapping[str, Any]) -> None:
    if _mine(pk, owner).update(**values) != 1:
        raise LeaseLost
