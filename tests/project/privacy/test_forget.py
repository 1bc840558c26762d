"""Erasing all about a person: nothing of them is left in any table, nothing goes to them, and the books balance."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import Settings

from dlq.models import DeadLetter, DeadLetterEvent
from notifications.messages.words import LetterEvent, Status
from notifications.models import Forgetting, ForgottenHash, IdempotencyKey, Job, Notification, StaffAction
from notifications.scheduling.jobs import Runner
from notifications.sending.gates import Forgotten, Gates
from project.operations import balance
from project.operations.kinds import kinds
from tests.caller import Api, issue, json_of
from tests.desk import letter, logged_in, superuser
from tests.notifications.rows import LETTERS, claim, ids, message, read, row
from tests.project.privacy import ann
from tests.project.privacy.everywhere import found
from users.people.models import User
from users.recipients.models import Suppression

pytestmark = pytest.mark.django_db


def forget(api: Api, username: str = ann.NAME) -> Job:
    """Asks for it, and does all steps of the job, however long it would wait for its second round."""
    answer = api.post(f"/users/{username}/forget", b"")
    assert answer.status_code == 202, answer.content
    job, runner = Job.objects.get(pk=json_of(answer)["job"]), Runner(kinds())
    while runner.turn():
        Job.objects.filter(due_at__gt=Now()).update(due_at=Now())
    job.refresh_from_db()
    assert job.state == Job.State.DONE, (job.state, job.error)
    return job


@pytest.fixture
def history(api: Api, settings: Settings) -> dict[str, Notification]:
    settings.ALLOWED_HOSTS = ["*"]
    return ann.live(api)


def test_nothing_is_left_in_any_table_and_the_books_balance(api: Api, history: dict[str, Notification]) -> None:
    assert len(found(ann.WORDS)) >= 37  # columns, in all tables that can name a person
    bobs = row(Status.SENT, user="bob", receiver=ann.MAIL.replace("Ann", "Bob"), settled_at=Now(), provider="x")
    before = Counter(Notification.objects.values_list("status", flat=True))
    job = forget(api)
    assert found(ann.WORDS) == []
    hashes = list(ForgottenHash.objects.values_list("hash", flat=True))
    stays = ["notifications_forgetting.person", "notifications_forgottenhash.hash", "users_suppression.address_hash"]
    assert found(hashes) == stays
    assert Suppression.objects.in_force().count() == 2, "who was erased is not written to all the same"
    assert job.counts["notifications"] == len(history)
    after = Counter(Notification.objects.values_list("status", flat=True))
    unfinished = sum(before[status] for status in (Status.WAITING, Status.QUEUED, Status.ACCEPTED))
    assert (after[Status.CANCELLED], after[Status.SENT]) == (unfinished, before[Status.SENT])
    assert after.total() == before.total()
    assert read(bobs.id) == bobs
    assert balance.take().off == []


def test_whoever_looks_at_what_is_left_sees_that_it_was_removed(api: Api, history: dict[str, Notification]) -> None:
    forget(api)
    desk = logged_in(superuser("desk"))
    for one in history.values():
        answer = json_of(Api(issue("read", client=one.client)).get(f"/notification/{one.id}"))
        assert (answer["texts_removed"], answer["receiver"]) == (True, ""), answer
        page = desk.get(f"/admin/notifications/notification/{one.id}/change/", follow=True)
        assert page.status_code == 200
    assert {letter.state for letter in DeadLetter.objects.filter(receiver_hash="")} == {"discarded"}
    assert DeadLetterEvent.objects.filter(event=LetterEvent.DISCARDED, error="").exists()
    assert desk.get("/admin/notifications/job/").status_code == 200
    asked = {"user": ann.NAME, "type": "EMAIL", "subject": ann.TEXT, "message": ann.TEXT}
    again = api.post("/notification", asked, Idempotency_Key="order 17")
    assert json_of(again)["id"] == str(history["order 17"].id), "a repetition is a new notification"
    assert read(history["order 17"].id).status == Status.CANCELLED
    assert not IdempotencyKey.objects.filter(key__contains="@").exists()


def test_a_row_that_a_sender_has_is_left_to_it_and_erased_afterwards(api: Api) -> None:
    """What it sends is true and is written down; only then its texts go."""
    ann.register(api)
    (claimed,) = claim(message(user=ann.NAME, receiver=ann.MAIL, message=ann.TEXT))
    answer = api.post(f"/users/{ann.NAME}/forget", b"")
    job, runner = Job.objects.get(pk=json_of(answer)["job"]), Runner(kinds())
    for _ in range(3):  # rounds
        while runner.turn():
            pass
        Job.objects.filter(due_at__gt=Now()).update(due_at=Now())
    assert (read(claimed.id).status, read(claimed.id).receiver) == (Status.SENDING, ann.MAIL)
    sent = {"status": Status.SENT, "owner": None, "lease_until": None, "provider": "x", "settled_at": Now()}
    Notification.objects.filter(id=claimed.id).update(**sent)
    while runner.turn():
        pass
    job.refresh_from_db()
    assert (job.state, read(claimed.id).status, read(claimed.id).receiver) == (Job.State.DONE, Status.SENT, "")
    assert json_of(api.get(f"/users/{ann.NAME}/forget"))["state"] == "done"


@pytest.mark.parametrize("another_key", [False, True])
def test_what_only_kafka_had_ends_at_its_claim_and_leaves_no_trace(
    api: Api, settings: Settings, another_key: bool
) -> None:
    """But not what was accepted afterwards, nor what another person gets at the same address."""
    ann.register(api)
    old = message(user=ann.NAME, receiver=ann.MAIL, message=ann.TEXT)
    to_the_address = message(channel="SMS", receiver=ann.PHONE, message=ann.TEXT)
    bobs = message(channel="SMS", receiver=ann.PHONE, user="bob", message="Hello Bob")
    forget(api)
    ForgottenHash.objects.update(before=timezone.now() - timedelta(milliseconds=2))  # an id is of a whole millisecond
    settings.HASH_KEYS = (b"new", *settings.HASH_KEYS) if another_key else settings.HASH_KEYS
    late = message(user=ann.NAME, receiver="new@example.com")
    rows = claim(old, late)
    assert ids(Gates("EMAIL", [Forgotten()], LETTERS).let_through(rows)) == [late.id]
    rows = claim(to_the_address, bobs, owner="batch-2")
    assert ids(Gates("SMS", [Forgotten()], LETTERS).let_through(rows)) == [bobs.id]
    assert {read(each.id).status for each in (old, to_the_address)} == {Status.CANCELLED}
    Notification.objects.filter(id__in=[bobs.id, late.id]).delete()
    assert found(ann.WORDS) == []


def test_who_comes_back_is_a_new_person(api: Api) -> None:
    """What is accepted for them later is theirs, though the job is not through yet."""
    ann.register(api)
    answer = api.post(f"/users/{ann.NAME}/forget", b"")
    assert not User.objects.filter(username=ann.NAME).exists()
    Forgetting.objects.update(before=Now())
    api.put(f"/users/{ann.NAME}", {"devices": ann.DEVICES})
    later = letter(user=ann.NAME, receiver=ann.MAIL)
    runner = Runner(kinds(), only=json_of(answer)["job"])
    while runner.turn():
        Job.objects.filter(due_at__gt=Now()).update(due_at=F("created_at"))
    later.refresh_from_db()
    assert (later.state, later.user, api.get(f"/users/{ann.NAME}").status_code) == ("open", ann.NAME, 200)


def test_what_is_written_down_of_it_names_nobody(api: Api) -> None:
    """Neither while the job has still to be done."""
    ann.register(api)
    api.post(f"/users/{ann.NAME}/forget", b"")
    action = StaffAction.objects.get(action="forget-user")
    job = Job.objects.get(kind="forget")
    assert action.target == f"job {job.pk}"
    assert json_of(api.post(f"/users/{ann.NAME}/forget", b""))["job"] == job.pk, "asking again begins again"
    assert "@" not in str([job.parameters, job.cursor, action.note])
    assert ann.NAME not in str([job.parameters, job.cursor, action.note])


def test_a_key_without_the_scope_learns_and_erases_nothing(api: Api) -> None:
    ann.register(api)
    shop = Api(issue("send", "read"))
    for answer in (shop.post(f"/users/{ann.NAME}/forget", b""), shop.get(f"/users/{ann.NAME}/forget")):
        assert answer.status_code == 403
    assert shop.get(f"/users/{ann.NAME}/export").status_code == 403
    assert User.objects.filter(username=ann.NAME).exists()
