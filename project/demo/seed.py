"""Fills an empty database with the demo's week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

from django.db import transaction
from django.utils import timezone

from dlq.models import DeadLetter, Problem, Run
from dlq.problems import assigning as problems
from dlq.problems import verbs as problem_verbs
from dlq.selection import Selection
from notifications.messages.words import Happened, Reason, StaffVerb, Status
from notifications.models import Attempt, BreakerEvent, Category, Minute, Notification, StaffAction
from project.demo.people import Somebody, people
from project.demo.texts import CODE, KINDS, PASSWORD, PAYMENT
from project.demo.week import Week
from users.models import Device, User

BATCH = 500
SAM, KIM = "sam", "kim"  # who work at the desk
KNOWN = "The channel was archived when the team moved. The settings of the CI server are to be changed."
TICKET = "https://tickets.example.com/CI-281"
ENDS = {Status.SENT: Happened.SENT, Status.HELD: Happened.HELD, Status.EXPIRED: Happened.EXPIRED}


def is_empty() -> bool:
    """Returns True where there is nothing that a demo could be mixed with."""
    return not (Notification.objects.exists() or User.objects.exists())


def seed(now: datetime | None = None, *, chance: int = 7) -> Counter[str]:
    """Writes the week that ends now, in one transaction. Returns how many rows it made, by kind.

    The same `chance` gives the same week.
    """
    now, random = now or timezone.now(), Random(chance)
    known = people(random)
    week = Week(random, known, now)
    week.happen()
    with transaction.atomic():
        _categories()
        _directory(known)
        _insert(week)
        _run(week.outage)
        problems.assign_all()
        _know(week.archived)
    rows = week.rows
    made = {"people": len(known), "notifications": len(rows.notifications), "dead letters": len(rows.letters)}
    return Counter(made)


def _categories() -> None:
    Category.objects.bulk_create((Category(name=kind.category) for kind in KINDS), ignore_conflicts=True)
    for kind in (PASSWORD, CODE):
        Category.objects.update_or_create(name=kind.category, defaults={"sensitive": True})
    Category.objects.update_or_create(name=PAYMENT.category, defaults={"on_uncertain": Category.OnUncertain.HOLD})


def _directory(known: list[Somebody]) -> None:
    users = _made(User, (User(username=one.username, name=one.name) for one in known))
    _made(Device, (device for user, one in zip(users, known, strict=True) for device in _devices(user, one)))


def _devices(user: User, one: Somebody) -> Iterator[Device]:
    for position, channel in enumerate(("EMAIL", "SMS", "SLACK")):
        yield Device(user=user, channel=channel, address=one.address(channel), position=position)


def _insert(week: Week) -> None:
    rows = week.rows
    _made(Notification, sorted(rows.notifications, key=lambda row: row.id))
    _made(Attempt, rows.attempts)
    _made(DeadLetter, sorted(rows.letters, key=lambda letter: letter.died_at))
    _made(BreakerEvent, week.breakers)
    _made(Minute, _minutes(week))


def _minutes(week: Week) -> Iterator[Minute]:
    """Yields what the workers would have counted."""
    happened: Counter[tuple[datetime, str, str, str, str]] = Counter()
    for row in week.rows.notifications:
        happened[_minute(row.accepted_at), row.channel, "", Happened.ACCEPTED, ""] += 1
        if row.settled_at and (end := ENDS.get(Status(row.status))):
            happened[_minute(row.settled_at), row.channel, row.provider, end, ""] += 1
    for letter in week.rows.letters:
        happened[_minute(letter.died_at), letter.channel, letter.provider, Happened.DEAD, letter.cause] += 1
    last = {attempt.notification_id: attempt.number for attempt in week.rows.attempts}
    for attempt in week.rows.attempts:
        row = attempt.notification
        if row.status == Status.WAITING or attempt.number < last[row.pk]:  # it was to be tried again
            happened[_minute(attempt.at), row.channel, row.provider, Happened.FAILED, Reason.RETRY] += 1
    for (minute, channel, provider, what, cause), count in sorted(happened.items()):
        about = {"channel": channel, "provider": provider, "cause": cause}
        yield Minute(minute=minute, happened=what, count=count, **about)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _know(archived: list[DeadLetter]) -> None:
    """Marks the problem of the archived channel as known, until it doubles."""
    problem = Problem.objects.get(letters=archived[0].pk)
    problem_verbs.mark_known(problem.pk, SAM, problem.changed_at, until=None, doubling=True, note=KNOWN, link=TICKET)


def _run(outage: list[DeadLetter]) -> None:
    """Adds the run by which the letters of the mail outage were replayed, all but those that had expired."""
    sent = [letter for letter in outage if letter.state == DeadLetter.State.RESOLVED]
    first, last = (pick(letter.changed_at for letter in sent) for pick in (min, max))
    began = first - timedelta(minutes=1)
    run = Run.objects.create(
        actor=KIM,
        reason="The mail server is back since this night; asked for by the shop.",
        selection=Selection(channel="EMAIL", cause=outage[0].cause).as_json(),
        last_letter=max(letter.pk for letter in outage),
        state=Run.State.DONE,
        asked=len(outage),
        going=len(sent),
        looked_at=len(outage),
        taken=len(sent),
        sent=len(sent),
        left_out={"sensitive": len(outage) - len(sent)},
        created_at=began,
        started_at=began,
        ended_at=last,
    )
    DeadLetter.objects.filter(pk__in=[letter.pk for letter in sent]).update(run=run)
    StaffAction.objects.create(
        actor=KIM, action=StaffVerb.REPLAY, target=f"run {run.pk}", reason=run.reason, run_id=run.pk, at=began
    )


def _made(model: Any, rows: Iterable[Any]) -> list[Any]:
    return cast("list[Any]", model.objects.bulk_create(list(rows), batch_size=BATCH))
