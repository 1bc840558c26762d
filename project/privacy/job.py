"""The job that erases all about one person, a few rows at a time, and looks again until nothing is left.

Each stage finds what is still there, so a step that is done twice does nothing the second time. What a sender has
claimed when its row's turn comes is left to it, and erased in the next round: only the sender knows whether it was
sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from notifications.messages.ids import first_id_at
from notifications.messages.words import Status
from notifications.models import Forgetting, Job, Notification
from notifications.scheduling.job_rows import Step
from project.privacy import elsewhere, rows
from project.privacy.person import Address, Person
from project.privacy.traces import Traces
from users.recipients.models import CapPlace

BATCH = 200  # notifications a step
MOST_ADDRESSES = 200  # that are looked for in texts
FIRST: list[Any] = [0, UUID(int=0).hex]


@dataclass(slots=True)
class Work:
    """Whom a step is about. `addresses` are those of the devices and those that their notifications went to."""

    forgetting: Forgetting
    person: Person
    addresses: set[Address]

    @property
    def traces(self) -> Traces:
        return Traces(self.person.username, sorted(self.addresses), self.person.hashes, name=self.person.name or "")

    def learn(self, found: Sequence[Notification]) -> None:
        """Keeps the receivers of these rows, of former devices perhaps, for the search of texts."""
        receivers = {(row.channel, row.receiver) for row in found if row.receiver} - self.addresses
        new = sorted(receivers)[: MOST_ADDRESSES - len(self.addresses)]
        if new:
            self.addresses.update(new)
            self.forgetting.words = (self.forgetting.words or {}) | {"addresses": sorted(self.addresses)}
            self.forgetting.save(update_fields=["words"])

    def notifications(self) -> list[QuerySet[Notification]]:
        """Returns what is to be erased still. A row that is erased fulfils none of these conditions any more."""
        until = first_id_at(self.forgetting.before)
        return [Notification.objects.filter(each, id__lt=until) for each in self.person.conditions()]


@dataclass(frozen=True, slots=True)
class Part:
    """What one step of a stage did; `after` is where its next one begins, None where the stage is over."""

    after: Any = None
    counts: Mapping[str, int] = field(default_factory=dict)


class Forget:
    """The kind of job. Its parameters and its cursor have nothing of the person: that is in their Forgetting."""

    every: timedelta | None = None

    def total(self, job: Job) -> int | None:
        """Returns the number of notifications; what else is found counts beside them."""
        work = _work_of(job)
        return sum(each.count() for each in work.notifications()) if work else 0

    def step(self, job: Job, cursor: Any) -> Step:
        work, names = _work_of(job), list(STAGES)
        if work is None:
            return Step()
        cursor = cursor or {"stage": names[0], "after": None, "round": 1}
        part = STAGES[cursor["stage"]](work, cursor["after"])
        if part.after is not None:
            return Step(cursor | {"after": part.after}, part.counts)
        if later := names[names.index(cursor["stage"]) + 1 :]:
            return Step(cursor | {"stage": later[0], "after": None}, part.counts)
        return self._next_round(work, cursor["round"], part.counts)

    def _next_round(self, work: Work, number: int, counts: Mapping[str, int]) -> Step:
        """The second round finds what was under way in the first, so it begins when every claim of then is over."""
        if number == 1 or any(each.exists() for each in work.notifications()):
            cursor = {"stage": next(iter(STAGES)), "after": None, "round": number + 1}
            return Step(cursor, counts, pause=float(settings.LEASE_SECONDS))
        done = Forgetting.objects.filter(person=work.forgetting.person, pk__lte=work.forgetting.pk)
        done.update(words=None, ended_at=Now())
        return Step(None, counts)


def erase_notifications(work: Work, after: list[Any] | None) -> Part:
    """Erases the next notifications; `after` has the condition's number and the last id."""
    number, last = after or FIRST
    conditions = work.notifications()
    if number == len(conditions):
        return Part()
    left = conditions[number].filter(id__gt=UUID(last)).exclude(status=Status.SENDING).order_by("id")
    chosen = left.only("channel", "receiver", "status").select_for_update(skip_locked=True)
    found = list(chosen[:BATCH])
    work.learn(found)
    counts = rows.erase(found, work.traces)
    return Part([number, found[-1].id.hex] if len(found) == BATCH else [number + 1, FIRST[1]], counts)


def erase_letters(work: Work, _after: Any) -> Part:
    """Erases what digests, letters and staff actions keep of the person: their notifications do not lead there."""
    username, hashes = work.person.username, work.person.hashes
    before = work.forgetting.before
    counts = {
        "digests": rows.erase_digests(username, hashes, before),
        "dead letters": rows.erase_letters(username, hashes, before),
        "staff actions": rows.erase_actions_on(username),
        "places of rate limits": CapPlace.objects.filter(person__in=[username, *hashes]).delete()[0],
    }
    return Part(None, counts)


def erase_receipts(work: Work, _after: Any) -> Part:
    """Erases what providers reported on the addresses and nobody could match with a notification, such as a STOP."""
    more, count = rows.erase_receipts(work.person.hashes)
    return Part(1 if more else None, {"receipts": count} if count else {})


def erase_choices(work: Work, _after: Any) -> Part:
    """Deletes what the person chose, and each change of it."""
    more, counts = rows.erase_choices(work.person.username)
    return Part(more or None, counts)


def erase_records(work: Work, after: int | None) -> Part:
    """Empties the bytes of records that could not be read and name the person."""
    return Part(*rows.erase_unreadable(after or 0, work.traces))


def erase_elsewhere(work: Work, after: list[int] | None) -> Part:
    """Cleans the texts of the tables that have no index by person, one table after the other."""
    number, last = after or (0, 0)
    if number == len(elsewhere.TEXTS):
        return Part()
    more, count = elsewhere.clean(number, last, work.traces)
    return Part([number, more] if more is not None else [number + 1, 0], {"texts": count})


def erase_sessions(work: Work, after: str | None) -> Part:
    """Removes what staff looked for from their sessions, where it is the person."""
    last, count = elsewhere.clean_sessions(after or "", work.traces)
    return Part(last, {"sessions": count})


STAGES: dict[str, Callable[[Work, Any], Part]] = {
    "notifications": erase_notifications,
    "letters": erase_letters,
    "receipts": erase_receipts,
    "choices": erase_choices,
    "records": erase_records,
    "elsewhere": erase_elsewhere,
    "sessions": erase_sessions,
}


def _work_of(job: Job) -> Work | None:
    """Returns what the job is about; None where another one has done it meanwhile."""
    forgetting = Forgetting.objects.filter(pk=job.parameters["forgetting"]).first()
    if forgetting is None or forgetting.words is None:
        return None
    words = forgetting.words
    devices = tuple((channel, address) for channel, address in words["devices"])
    return Work(forgetting, Person(words["username"], words["name"], devices), {(c, a) for c, a in words["addresses"]})
