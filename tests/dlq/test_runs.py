"""A run: what its question counts, what it takes and leaves, and what people do with it meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dlq import replaying, runs
from dlq.groups import FRESH, Trait, dry_run
from dlq.models import DeadLetter, DeadLetterEvent, Run
from dlq.runs import Asked, NotBegun, NotInState
from dlq.selection import Selection
from notifications.channels.outcomes import Cause
from notifications.messages.words import Status, standing
from notifications.models import BreakerEvent, Category, Job, Notification, StaffAction
from notifications.scheduling.job_rows import change
from notifications.scheduling.jobs import Runner
from project.operations.balance import take as balance
from project.operations.kinds import kinds
from tests.desk import letter, row_of, unreadable

pytestmark = pytest.mark.django_db

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


def test_the_question_counts_each_letter_once() -> None:
    of_each_kind()
    dry = dry_run(Selection(state=""))
    assert dry.never == {"sensitive": 1, "sent": 1, "on-its-way": 1, "discarded": 1, "unreadable": 1}
    assert {trait.word: dry.first(trait) for trait in Trait} == {trait.word: 1 for trait in Trait}
    assert (dry.fresh, dry.total, dry.more) == (1, 11, False)
    assert dry.last == max(DeadLetter.objects.values_list("pk", flat=True))


def test_a_letter_goes_only_where_all_its_traits_are_ticked() -> None:
    also(expired(), uncertain=True, repeats=2)
    dry = dry_run(Selection())
    assert (dry.first(Trait.EXPIRED), dry.first(Trait.UNCERTAIN)) == (1, 0)
    assert dry.others(Trait.EXPIRED) == [(Trait.UNCERTAIN, 1), (Trait.REPEATED, 1)]
    assert dry.going(["fresh", "expired", "uncertain"]) == 0
    assert dry.going(["expired", "uncertain", "died-twice"]) == 1


def test_a_dry_run_is_one_statement_and_two_small_ones() -> None:
    of_each_kind()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        dry_run(Selection())
    assert len(queries) == 3, [query["sql"] for query in queries]


def test_a_question_about_too_many_names_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlq.groups.MOST_IN_A_RUN", 3)
    letters = many(5)
    dry = dry_run(Selection())
    assert (dry.total, dry.more, dry.last) == (3, True, letters[2].pk)


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
    late = letter(expires_at=timezone.now() - HOUR)  # the letter's copy does not know it
    run = runs.begin(asked(), "anna")
    step()
    assert row_of(late).status == Status.DEAD
    assert now(run).left_out == {"expired": 1}
    assert (run.taken, run.state) == (0, "done")


def test_a_letter_of_a_sensitive_category_that_expires_meanwhile_stays_whatever_is_ticked() -> None:
    Category.objects.create(name="password", sensitive=True)
    late = letter(expires_at=timezone.now() - HOUR, category="password")
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


def test_a_rate_is_for_each_provider() -> None:
    for one in many(40):
        also(one, provider="smtp")
    run = runs.begin(asked(per_second=5), "anna")
    Run.objects.update(canary=0)
    step()
    assert now(run).taken == 5
    step()
    assert now(run).taken == 5
    job = job_of(run)
    job.cursor = (job.cursor or {}) | {"at": (timezone.now() - timedelta(seconds=2)).isoformat()}
    job.save()
    step()
    assert 15 <= now(run).taken < 20


def test_a_run_has_so_many_letters_on_their_way_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "ON_THEIR_WAY", 10)
    many(15)
    run = runs.begin(asked(), "anna")
    step(3)
    assert now(run).taken == 10
    arrive()
    step()
    assert now(run).taken == 15


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
    run = runs.begin(asked(), "anna")
    runs.refuse(run.pk, "bert", "not today")
    assert (now(run).state, run.why_paused) == ("refused", "Refused by bert. not today")
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
