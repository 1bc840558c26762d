"""Letters for the tests of runs, and what becomes of those that a run has taken."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from dlq.models import DeadLetter, Run
from dlq.runs.groups import FRESH
from dlq.runs.steering import Asked
from dlq.selection import Selection
from notifications.channels.outcomes import Cause
from notifications.messages.words import Status, standing
from notifications.models import Category, Job, Notification
from notifications.scheduling.jobs import Runner
from project.operations.kinds import kinds
from tests.desk import letter, unreadable

State = DeadLetter.State
HOUR = timedelta(hours=1)


def many(count: int, **fields: Any) -> list[DeadLetter]:
    return [letter(**fields) for _ in range(count)]


def also(one: DeadLetter, **columns: Any) -> DeadLetter:
    DeadLetter.objects.filter(pk=one.pk).update(**columns)
    return one


def expired(**fields: Any) -> DeadLetter:
    moment = timezone.now() - HOUR
    return also(
        letter(expires_at=moment, **fields), expires_at=moment, **{k: v for k, v in fields.items() if k == "category"}
    )


def asked(*ticked: str, selection: Selection | None = None, **more: Any) -> Asked:
    given: dict[str, Any] = {"reason": "it works again", "per_second": None} | more
    return Asked(selection=selection or Selection(), ticked=ticked or (FRESH,), **given)


def step(times: int = 1) -> None:
    """Does the next steps of whatever runs there are, as a scheduler would."""
    runner = Runner(kinds())
    for _ in range(times):
        Job.objects.update(due_at=timezone.now() - HOUR)
        runner.turn()


def arrive(letters: list[DeadLetter] | None = None) -> None:
    """What a run has taken arrives."""
    found = DeadLetter.objects.filter(state=State.REPLAYING)
    found = found.filter(pk__in=[one.pk for one in letters]) if letters is not None else found
    sent = standing(Status.SENT) | {"reason": "", "due_at": None, "settled_at": timezone.now()}
    Notification.objects.filter(dead_letter__in=found).update(**sent)
    found.update(state=State.RESOLVED)


def die(count: int) -> None:
    """So many of what a run has taken die again."""
    found = list(DeadLetter.objects.filter(state=State.REPLAYING).order_by("pk").values_list("pk", flat=True)[:count])
    dead = standing(Status.DEAD) | {"reason": "", "due_at": None, "settled_at": timezone.now()}
    Notification.objects.filter(dead_letter__in=found).update(**dead)
    DeadLetter.objects.filter(pk__in=found).update(state=State.OPEN, repeats=2)


def now(run: Run) -> Run:
    run.refresh_from_db()
    return run


def job_of(run: Run) -> Job:
    return Job.objects.get(pk=run.job_id or 0)


def of_each_kind() -> dict[str, DeadLetter]:
    Category.objects.create(name="password", sensitive=True)
    return {
        "fresh": letter(),
        "expired": expired(),
        "uncertain": also(letter(), uncertain=True),
        "opted-out": letter(last_cause=Cause.OPTED_OUT),
        "died-twice": also(letter(), repeats=2),
        "corrected": also(letter(), was_receiver_hash="before"),
        "sensitive": also(expired(category="password"), uncertain=True),
        "sent": letter(state="resolved", status=Status.SENT),
        "on-its-way": letter(state="replaying", status=Status.WAITING, due_at=timezone.now()),
        "discarded": letter(state="discarded"),
        "unreadable": unreadable(b"{"),
    }
