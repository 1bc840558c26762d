"""What people do with a run: begin, approve, pause, resume, stop."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from dlq.models import DeadLetter, DeadLetterEvent, Run
from dlq.runs import steering as runs
from dlq.runs.groups import FRESH, dry_run
from dlq.runs.steering import NotBegun, NotInState
from dlq.selection import Selection
from dlq.verbs import replay
from notifications.channels.outcomes import Cause
from notifications.messages.words import Status, standing
from notifications.models import Job, Notification, StaffAction
from notifications.scheduling.job_rows import change
from project.operations.balance import take as balance
from tests.desk import letter, row_of
from tests.dlq.runs.beginning import HOUR, also, arrive, asked, die, expired, many, now, step

pytestmark = pytest.mark.django_db


def test_a_paused_run_takes_nothing_and_watches_on() -> None:
    many(25)
    run = runs.begin(asked(), "anna")
    step()
    runs.pause(run.pk, "bert")
    arrive()
    step(2)
    assert (now(run).taken, run.sent, run.state, run.why_paused) == (20, 20, "paused", "Paused by bert.")
    with pytest.raises(NotInState, match="is paused"):
        runs.pause(run.pk, "anna")


def stands(one: DeadLetter) -> tuple[Any, ...]:
    row = row_of(one)
    return row.status, row.listed, row.generation, row.attempts, row.expires_at, row.due_at, row.reason


def test_a_stop_takes_back_what_was_not_published() -> None:
    dead, held, old = letter(), letter(status=Status.HELD), expired()
    for one in (dead, held, old):
        also(one, attempts=6)
    before = [stands(one) for one in (dead, held, old)]
    gone = letter()
    run = runs.begin(asked(FRESH, "expired", expires_at=timezone.now() + HOUR), "anna")
    step()
    queued = standing(Status.QUEUED) | {"reason": "", "due_at": None}
    Notification.objects.filter(dead_letter=gone).update(**queued)
    runs.stop(run.pk, "bert")
    step(2)
    assert [stands(one) for one in (dead, held, old)] == before
    assert set(DeadLetter.objects.filter(run=None).values_list("pk", "state")) == {
        (one.pk, "open") for one in (dead, held, old)
    }
    assert row_of(gone).status == Status.QUEUED
    assert (now(run).state, run.taken, run.taken_back, run.on_their_way) == ("stopped", 1, 3, 1)
    assert run.ended_at is not None
    assert set(StaffAction.objects.values_list("action", flat=True)) == {"replay", "stop-run"}
    assert DeadLetterEvent.objects.filter(event="dead").count() == 3
    assert [each for each in balance().off if "letter" in each[1]] == []


def test_a_stop_leaves_what_a_person_has_replayed_since_the_run() -> None:
    one, other = letter(status=Status.HELD), letter()
    run = runs.begin(asked(), "anna")
    step()
    die(2)
    assert replay([one.pk], "bert").done == [one.pk]
    runs.stop(run.pk, "anna")
    step(2)
    assert (row_of(one).status, row_of(one).generation) == (Status.WAITING, 2)
    assert dict(DeadLetter.objects.values_list("pk", "state")) == {one.pk: "replaying", other.pk: "open"}
    assert (now(run).state, run.taken_back) == ("stopped", 0)


def test_what_died_again_in_a_run_is_for_no_other_until_it_is_over() -> None:
    many(2)
    first = runs.begin(asked(), "anna")
    step()
    die(1)
    assert dry_run(Selection()).never == {"in-a-run": 1}
    with pytest.raises(NotBegun):
        runs.begin(asked(FRESH, "died-twice"), "bert")
    runs.stop(first.pk, "anna")
    step()
    assert dry_run(Selection()).never == {}


def test_one_answer_to_a_question_makes_one_run() -> None:
    many(2)
    first = runs.begin(asked(question="a word"), "anna")
    assert runs.begin(asked(question="a word"), "anna") == first
    assert Run.objects.count() == Job.objects.count() == 1


def test_a_reason_is_needed_from_two_letters_on() -> None:
    letter()
    letter(last_cause=Cause.BUG)
    with pytest.raises(NotBegun, match="why"):
        runs.begin(asked(reason=" "), "anna")
    assert runs.begin(asked(reason=" ", selection=Selection(cause="bug")), "anna").going == 1


def test_nobody_replays_more_than_they_may() -> None:
    many(3)
    with pytest.raises(NotBegun, match="2 letters"):
        runs.begin(asked(at_most=2), "anna")
    assert runs.begin(asked(at_most=3), "anna").going == 3


def test_many_small_runs_are_no_way_round_the_limits(settings: Any) -> None:
    ids = [one.pk for one in many(5)]
    first = runs.begin(asked(selection=Selection(ids=tuple(ids[:2])), at_most=3), "anna")
    rest = Selection(ids=tuple(ids[2:4]))
    with pytest.raises(NotBegun, match="3 letters again at once, and 2 are in runs of yours"):
        runs.begin(asked(selection=rest, at_most=3), "anna")
    settings.DESK_APPROVAL_ABOVE = 3
    assert runs.begin(asked(selection=rest), "bert").state == "running"
    last = Selection(ids=(ids[4],))
    Run.objects.filter(pk=first.pk).update(going=3)
    waits = runs.begin(asked(selection=last), "anna")
    assert waits.state == "asked"
    runs.refuse(waits.pk, "anna")
    Run.objects.filter(pk=first.pk).update(ended_at=timezone.now())
    assert runs.begin(asked(selection=last, at_most=3), "anna").state == "running"


def test_a_large_run_waits_for_a_second_person(settings: Any) -> None:
    settings.DESK_APPROVAL_ABOVE = 2
    many(3)
    run = runs.begin(asked(), "anna")
    assert (run.state, run.job_id) == ("asked", None)
    with pytest.raises(NotBegun, match="somebody else"):
        runs.approve(run.pk, "anna")
    assert runs.approve(run.pk, "bert").approved_by == "bert"
    with pytest.raises(NotInState):
        runs.approve(run.pk, "carl")
    step()
    assert now(run).taken == 3


def test_a_run_that_is_refused_never_begins(settings: Any) -> None:
    settings.DESK_APPROVAL_ABOVE = 2
    many(3)
    DeadLetter.objects.update(user="hot@example.org")
    run = runs.begin(asked(selection=Selection(term="hot@example.org")), "anna")
    runs.refuse(run.pk, "bert", "not today")
    assert (now(run).state, run.why_paused) == ("refused", "Refused by bert. not today")
    assert run.selection == {"term": "(removed)"}
    assert run.ended_at is not None
    assert not Job.objects.exists()


def test_what_died_again_is_summed_up_and_what_was_searched_for_is_forgotten() -> None:
    one = letter(receiver="hot@example.org", last_cause=Cause.TIMEOUT)
    also(one, receiver_hash=one.notification.receiver_hash if one.notification else "")
    run = runs.begin(asked(selection=Selection(term="hot@example.org")), "anna")
    step()
    die(1)
    step()
    assert now(run).summary == [{"problem": None, "cause": "timeout", "letters": 1}]
    assert "hot@example.org" not in str(run.selection)


@pytest.mark.parametrize("verb", ["pause", "cancel"])
def test_a_run_whose_job_was_paused_or_cancelled_is_resumed(verb: str) -> None:
    many(2)
    run = runs.begin(asked(), "anna")
    assert run.job_id
    change(verb, [run.job_id], "bert")
    step(2)
    assert now(run).taken == 0
    runs.resume(run.pk, "anna")
    step()
    assert now(run).taken == 2
