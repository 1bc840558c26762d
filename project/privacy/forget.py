"""Begins to erase all about one person: at once what decides what is sent, and a job for the rest.

What stays, and what a record in Kafka still contains for a while, is in docs/privacy.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from notifications.messages.ids import person_hash, person_hashes
from notifications.messages.words import StaffVerb
from notifications.models import Forgetting, ForgottenHash, Job
from notifications.scheduling import job_rows
from notifications.scheduling.job_rows import TO_DO
from project.database.dialects import clock
from project.desk.audit import write_actions
from project.privacy import person
from users.people.models import User

KIND = "forget"
# What a web process accepts while this commits, or by a clock that is a little ahead, is not sent either.
GRACE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a request is. `state` is its job's, or "done" where retention has removed that."""

    job: int
    state: str
    asked_at: datetime
    ended_at: datetime | None


@transaction.atomic
def begin(username: str, actor: str) -> Standing:
    """Removes the person from the directory, lets nothing more go to them, and makes the job. Returns how far it is.

    A person whom only the ledger knows is erased by their name there. Asking again while the job is under way changes
    nothing, unless they were in the directory again.
    """
    found = person.find(username, lock=True)
    if found.name is None and (asked := standing(username)) and asked.state in TO_DO:
        return asked
    before = clock() + GRACE
    User.objects.filter(username=username).delete()
    hashes = [ForgottenHash(hash=each, before=before) for each in sorted({*person_hashes(username), *found.hashes})]
    ForgottenHash.objects.bulk_create(hashes, update_conflicts=True, unique_fields=["hash"], update_fields=["before"])
    words = {"username": username, "name": found.name, "devices": found.devices, "addresses": found.devices}
    forgetting = Forgetting.objects.create(person=person_hash(username), words=words, before=before)
    job = job_rows.create(KIND, actor, parameters={"forgetting": forgetting.pk})
    Forgetting.objects.filter(pk=forgetting.pk).update(job_id=job.pk)
    write_actions(actor, StaffVerb.FORGET_USER, [(f"job {job.pk}", None)])
    return Standing(job.pk, job.state, forgetting.asked_at, None)


def standing(username: str) -> Standing | None:
    """Returns how far the newest request about this person is, as long as retention keeps it."""
    found = Forgetting.objects.filter(person__in=person_hashes(username)).order_by("-pk").first()
    if found is None or found.job_id is None:
        return None
    state = Job.objects.filter(pk=found.job_id).values_list("state", flat=True).first()
    return Standing(found.job_id, state or Job.State.DONE, found.asked_at, found.ended_at)
