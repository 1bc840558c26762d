"""The job of a run: what it takes and leaves, how fast, and when it stops by itself."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dlq.models import DeadLetter, DeadLetterEvent, Run
from dlq.runs import replaying
from dlq.runs import steering as runs
from dlq.runs.groups import FRESH
from dlq.runs.steering import NotBegun
from dlq.verbs import replay
from notifications.messages.words import Status
from notifications.models import BreakerEvent, Category, Job, Notification, StaffAction
from tests.desk import letter, row_of
from tests.dlq.runs.beginning import (
    HOUR,
    State,
    also,
    arrive,
    asked,
    die,
    expired,
    job_of,
    many,
    now,
    of_each_kind,
    step,
)

pytestmark = pytest.mark.django_db


def test_a_run_takes_what_was_ticked_and_leaves_the_rest() -> None:
    found = of_each_kind()
    run = runs.begin(asked(FRESH, "corrected"), "anna")
    step()
    replaying_now = set(DeadLetter.objects.filter(run=run, state=State.REPLAYING).values_list("pk", flat=True))
    assert replaying_now == {found["fresh"].pk, found["corrected"].pk}
    assert now(run).left_out == {
        "expired": 1, "uncertain": 1, "opted-out": 1, "died-twice": 1, "sensitive": 1, "unreadable": 1,
    }  # fmt: skip
    assert (run.state, run.asked, run.going, run.taken, run.looked_at) == ("running", 8, 2, 2, 8)
    arrive()
    step()
    assert (now(run).state, run.sent, run.died_again, run.on_their_way) == ("done", 2, 0, 0)
    assert run.ended_at is not None
    assert job_of(run).state == "done"


def test_a_run_is_one_staff_action_and_an_event_for_each_letter() -> None:
    letters = many(3)
    run = runs.begin(asked(), "anna")
    step()
    action = StaffAction.objects.get()
    assert (action.actor, action.action, action.target) == ("anna", "replay", f"run {run.pk}")
    assert (action.reason, action.run_id, action.note) == ("it works again", run.pk, "3 of 3 letters: fresh")
    events = DeadLetterEvent.objects.values_list("event", "notification_id")
    assert sorted(events) == sorted(("replayed", one.notification_id) for one in letters)
    assert set(Notification.objects.values_list("generation", "status", "reason")) == {(1, "waiting", "replay")}


def test_what_has_expired_goes_with_the_expiry_that_was_typed() -> None:
    old, fresh = expired(), letter()
    later = timezone.now() + HOUR
    with pytest.raises(NotBegun, match="new expiry"):
        runs.begin(asked(FRESH, "expired"), "anna")
    runs.begin(asked(FRESH, "expired", expires_at=later), "anna")
    step()
    assert (row_of(old).expires_at, row_of(old).status) == (later, Status.WAITING)
    assert row_of(fresh).expires_at is None
    assert "new expiry" in StaffAction.objects.get().note


def test_what_expires_between_question_and_replay_stays() -> None:
    late = also(letter(expires_at=timezone.now() - HOUR), expires_at=None)  # the letter's copy does not know it
    run = runs.begin(asked(), "anna")
    step()
    assert row_of(late).status == Status.DEAD
    assert now(run).left_out == {"expired": 1}
    assert (run.taken, run.state) == (0, "done")


def test_a_letter_of_a_sensitive_category_that_expires_meanwhile_stays_whatever_is_ticked() -> None:
    Category.objects.create(name="password", sensitive=True)
    late = also(letter(expires_at=timezone.now() - HOUR, category="password"), expires_at=None)
    run = runs.begin(asked(FRESH, "expired", expires_at=timezone.now() + HOUR), "anna")
    step()
    assert row_of(late).status == Status.DEAD
    assert now(run).left_out == {"sensitive": 1}


def test_letters_that_came_after_the_question_do_not_belong_to_it() -> None:
    many(2)
    run = runs.begin(asked(), "anna")
    later = letter()
    step()
    assert now(run).taken == 2
    assert row_of(later).status == Status.DEAD


def test_the_first_letters_must_arrive_before_the_others_go() -> None:
    many(30)
    run = runs.begin(asked(), "anna")
    step(3)
    assert now(run).taken == 20
    first = list(DeadLetter.objects.filter(state=State.REPLAYING).order_by("pk"))
    arrive(first[:18])
    step(2)
    assert now(run).taken == 20
    arrive(first[18:19])
    step()
    assert (now(run).taken, run.state, run.canary) == (30, "running", 0)


def test_a_run_whose_first_letters_die_again_pauses_itself() -> None:
    many(30)
    run = runs.begin(asked(), "anna")
    step()
    die(2)
    step(3)
    assert (now(run).state, run.taken) == ("paused", 20)
    assert run.why_paused == "2 of the first 20 died again."
    runs.resume(run.pk, "anna")
    step()
    assert (now(run).state, run.taken) == ("running", 30)


def test_a_run_whose_first_letters_are_settled_and_too_few_arrived_pauses_itself() -> None:
    """One that died again was replayed by a person since, so it is the run's no more and counts neither way."""
    many(30)
    run = runs.begin(asked(), "anna")
    step()
    die(2)
    replay(DeadLetter.objects.filter(state=State.OPEN, run=run.pk).values_list("pk", flat=True)[:1], "bert")
    arrive(list(DeadLetter.objects.filter(state=State.REPLAYING, run=run.pk)[1:]))
    step()
    assert (now(run).state, run.sent, run.on_their_way) == ("running", 17, 1)
    arrive()
    step(2)
    assert (now(run).state, run.taken) == ("paused", 20)
    assert run.why_paused == "Of the first 20, 18 arrived."


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_what_somebody_has_locked_is_looked_at_once_more_and_not_all_at_once() -> None:
    letters = many(30)
    run = runs.begin(asked(), "anna")
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        list(DeadLetter.objects.select_for_update())
        pool.submit(beside, step, 2).result()
    assert (now(run).taken, run.state) == (0, "running")
    step(2)
    assert (now(run).taken, run.left_out, run.to_come) == (20, {}, 10)
    arrive()
    step(3)
    assert now(run).taken == len(letters)
    arrive()
    step(2)
    assert (now(run).state, run.sent, run.left_out, run.looked_at) == ("done", 30, {}, 30)


def beside(work: Callable[[int], None], times: int) -> None:
    """Works on a connection of its own."""
    try:
        work(times)
    finally:
        connection.close()


def test_a_run_of_which_a_fifth_dies_again_pauses_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "BATCH", 60)
    many(90)
    run = runs.begin(asked(), "anna")
    step()
    arrive()
    step()
    assert now(run).taken == 80
    die(18)
    arrive()
    step()
    assert (now(run).state, run.taken) == ("paused", 80)
    assert run.why_paused == "18 of the last 80 died again."
    runs.resume(run.pk, "anna")
    step()
    assert (now(run).state, run.taken) == ("running", 90)


@pytest.mark.parametrize(("provider", "state"), [("smtp", "paused"), ("twilio", "running")])
def test_a_breaker_of_its_provider_that_opens_pauses_a_run(provider: str, state: str) -> None:
    for one in many(25):
        also(one, provider="smtp")
    BreakerEvent.objects.create(worker="w", channel="EMAIL", provider="smtp", state="open")  # before it began
    run = runs.begin(asked(), "anna")
    step(2)
    assert now(run).state == "running"
    BreakerEvent.objects.create(worker="w", channel="EMAIL", provider=provider, state="open")
    step()
    assert now(run).state == state
    assert ("out of order since" in run.why_paused) == (state == "paused")


def test_a_rate_is_for_each_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = timezone.now()
    monkeypatch.setattr(replaying, "clock", lambda: moment)
    for number, one in enumerate(many(60)):
        also(one, provider="smtp" if number % 4 else "postmark")
    run = runs.begin(asked(per_second=6), "anna")
    Run.objects.update(canary=0)
    step(2)
    assert now(run).taken == 9  # of which three go over Postmark
    moment += timedelta(seconds=2)
    step()
    assert now(run).taken == 25
    moment += timedelta(hours=1)
    step()
    assert now(run).taken == 49  # 18 over SMTP: what it makes up for is bounded


def test_a_run_has_so_many_letters_on_their_way_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "ON_THEIR_WAY", 10)
    many(15)
    run = runs.begin(asked(), "anna")
    step(3)
    assert now(run).taken == 10
    arrive()
    step()
    assert now(run).taken == 15


def test_two_runs_share_no_letter() -> None:
    letters = many(30)
    first, second = runs.begin(asked(), "anna"), runs.begin(asked(), "bert")
    step(8)
    die(1)
    arrive()
    step(8)
    arrive()
    step(8)
    assert now(first).taken + now(second).taken == len(letters)
    assert set(Notification.objects.values_list("generation", flat=True)) == {1}


@pytest.fixture
def statements() -> Callable[[int], int]:
    def count(letters: int) -> int:
        many(letters)
        runs.begin(asked(), "anna")
        Run.objects.update(canary=0)
        with CaptureQueriesContext(connection) as queries:
            step()
        return len(queries)

    return count


def test_the_number_of_statements_does_not_grow_with_the_letters(statements: Callable[[int], int]) -> None:
    few = statements(3)
    Run.objects.update(ended_at=timezone.now())
    Job.objects.all().delete()
    assert statements(60) == few
