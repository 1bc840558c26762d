"""How letters get their problem, and what is counted of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dlq.letters import follow
from dlq.models import DeadLetter, Problem, ProblemHour
from dlq.problems import assigning as problems
from dlq.problems import counts as problem_counts
from dlq.problems.counts import Rates
from notifications.channels.outcomes import Cause
from notifications.ledger.hooks import FinalRow
from notifications.messages.words import Status
from notifications.models import Notification
from tests.desk import letter, unreadable
from tests.notifications.rows import LETTERS

pytestmark = pytest.mark.django_db
State = Problem.State
HOUR = timedelta(hours=1)


def spam(number: int, **fields: Any) -> DeadLetter:
    error = f"DATA: 554 5.7.1 Spam detected (URI_TRACK_{number})"
    return letter(last_cause=Cause.REJECTED_CONTENT, last_error=error, provider="smtp", **fields)


def died(at: datetime, number: int = 1) -> DeadLetter:
    made = spam(number)
    DeadLetter.objects.filter(pk=made.pk).update(died_at=at)
    return made


def again(letter: DeadLetter) -> None:
    """Its notification dies again of the same."""
    row = Notification.objects.get(dead_letter=letter)
    follow([FinalRow(row.id, Status.DEAD, row.channel, letter.cause, letter.error, 1, "", None, None)])


def test_three_spam_rules_are_one_problem_and_a_full_mailbox_is_another() -> None:
    letters = [spam(1), spam(2), spam(3), letter(last_cause=Cause.MAILBOX_FULL, last_error="552 5.2.2 full")]
    assert problems.assign_all() == 4
    assert Problem.objects.count() == 2
    one = Problem.objects.get(cause=Cause.REJECTED_CONTENT)
    assert (one.channel, one.deaths, one.state) == ("EMAIL", 3, State.NEW)
    assert one.example.startswith("DATA: 554 5.7.1 Spam detected")
    assert set(one.letters.values_list("pk", flat=True)) == {each.pk for each in letters[:3]}
    assert problems.assign_all() == 0


def test_what_hour_a_letter_died_in_counts() -> None:
    now = timezone.now()
    for back in (0, 0, 3):
        died(now - back * HOUR)
    problems.assign_all()
    one = Problem.objects.get()
    hours = dict(ProblemHour.objects.values_list("hour", "deaths"))
    assert hours == {problems.hour_of(now): 2, problems.hour_of(now - 3 * HOUR): 1}
    assert abs(one.first_seen - (now - 3 * HOUR)) < timedelta(seconds=1)
    assert abs(one.last_seen - now) < timedelta(seconds=1)


def test_records_that_could_not_be_read_and_causes_without_a_provider_have_problems_too() -> None:
    unreadable(b"{")
    unreadable(b"[")
    letter(last_cause=Cause.LEASE_EXPIRED, last_error="")
    assert problems.assign_all() == 3
    found = Problem.objects.values_list("cause", "provider", "fingerprint", "deaths")
    assert set(found) == {("undecodable", "", "json is malformed", 2), ("lease-expired", "", "", 1)}


def test_a_letter_gets_the_domain_of_its_receiver() -> None:
    made = [letter(receiver="Ann@Gmial.COM"), letter(channel="SMS", receiver="+4915112345678"), unreadable(b"{")]
    problems.assign_all()
    assert [DeadLetter.objects.get(pk=one.pk).receiver_domain for one in made] == ["gmial.com", "", ""]


def test_a_letter_of_a_sender_of_the_version_before_gets_what_that_one_did_not_copy() -> None:
    expires_at = timezone.now() + HOUR
    made = letter(user="ann", category="codes", provider="smtp", uncertain_count=1, expires_at=expires_at)
    hashed = made.receiver_hash
    nothing = {"provider": "", "client": "", "category": "", "user": "", "receiver_hash": "", "expires_at": None}
    DeadLetter.objects.filter(pk=made.pk).update(uncertain=False, **nothing)
    problems.assign_all()
    made.refresh_from_db()
    assert (made.user, made.client, made.category, made.receiver_hash) == ("ann", "shop", "codes", hashed)
    assert (made.uncertain, made.expires_at) == (True, expires_at)
    assert Problem.objects.get().provider == "smtp"


def test_a_letter_that_dies_again_returns_to_its_problem_and_counts_once_more() -> None:
    made = spam(1)
    problems.assign_all()
    again(made)
    assert DeadLetter.objects.get().problem is None
    problems.assign_all()
    one = Problem.objects.get()
    assert (DeadLetter.objects.get().problem, DeadLetter.objects.get().deaths, one.deaths) == (one, 2, 2)


def test_a_fixed_problem_is_back_with_a_death_after_it_was_fixed_and_not_with_an_earlier_one() -> None:
    spam(1)
    problems.assign_all()
    Problem.objects.update(state=State.FIXED, changed_at=timezone.now())
    died(timezone.now() - HOUR)
    problems.assign_all()
    assert Problem.objects.get().state == State.FIXED
    died(timezone.now() + timedelta(seconds=1))
    problems.assign_all()
    assert Problem.objects.get().state == State.BACK


@pytest.mark.parametrize("state", [State.NEW, State.KNOWN, State.IGNORED])
def test_other_states_stay_as_they_are(state: str) -> None:
    spam(1)
    problems.assign_all()
    Problem.objects.update(state=state)
    spam(2)
    problems.assign_all()
    assert Problem.objects.get().state == state


def test_a_new_version_assigns_letters_anew_and_keeps_what_staff_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    spam(1)
    letter(last_cause=Cause.TIMEOUT, last_error="")
    problems.assign_all()
    Problem.objects.filter(cause=Cause.REJECTED_CONTENT).update(owner="sam", note="ticket 7", state=State.KNOWN)
    monkeypatch.setattr(problems, "VERSION", 2)
    assert problems.assign_all() == 2
    assert not DeadLetter.objects.exclude(problem__version=2).exists()
    one = Problem.objects.get(version=2, cause=Cause.REJECTED_CONTENT)
    assert (one.owner, one.note, one.state, one.deaths) == ("sam", "ticket 7", State.KNOWN, 1)
    monkeypatch.setattr(problems, "VERSION", 1)  # an older scheduler leaves it alone
    assert problems.assign_all() == 0


def test_too_many_answers_become_one_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "MOST_PROBLEMS", 2)
    for word in ("a", "b", "c", "d", "a"):
        letter(last_error=f"550 {word}")
        problems.assign_all()
    found = dict(Problem.objects.values_list("fingerprint", "deaths"))
    assert found == {"550 a": 2, "550 b": 1, "(other answers)": 2}


def test_a_call_ends_after_its_time_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "BATCH", 2)
    for number in range(5):
        spam(number)
    steps = []
    while count := problems.assign_all(seconds=0):
        steps.append(count)
    assert sum(steps) == 5
    assert len(steps) > 1


@pytest.mark.postgresql  # SQLite's limit on parameters
def test_the_number_of_statements_does_not_grow_with_the_letters() -> None:
    counts = []
    for size in (2, 100):
        for number in range(size):
            letter(last_error=f"{'x' * (number % 7)} refused", last_cause=Cause.BUG if number % 2 else Cause.TIMEOUT)
        with CaptureQueriesContext(connection) as queries:
            assert problems.assign(1_000) == size
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_open_letters_and_receivers_are_counted() -> None:
    spam(1, receiver="ann@example.org")
    spam(2, receiver="ann@example.org")
    spam(3, receiver="bob@example.org")
    spam(4, receiver="eve@example.org", state="resolved")
    letter(last_cause=Cause.BUG)
    LETTERS.do_chores()
    one = Problem.objects.get(cause=Cause.REJECTED_CONTENT)
    assert (one.open_letters, one.receivers, one.deaths) == (3, 2, 4)
    assert problem_counts.open_by_cause() == {"rejected-content": 3, "bug": 1}
    assert not problem_counts.count(), "another scheduler counted just now"
    DeadLetter.objects.update(state=DeadLetter.State.DISCARDED)
    assert problem_counts.count(every=0)
    one.refresh_from_db()
    assert (one.open_letters, one.receivers) == (0, 0)


@pytest.mark.postgresql
def test_counting_takes_as_many_statements_for_many_problems() -> None:
    counts = []
    problem_counts.count(every=0)
    for size in (1, 30):
        for number in range(size):
            letter(last_error=f"{'y' * number} refused")
        problems.assign_all()
        with CaptureQueriesContext(connection) as queries:
            problem_counts.count(every=0)
        counts.append(len(queries))
    assert counts[0] == counts[1]


NOW = datetime.fromisoformat("2026-03-01T10:15:00+00:00")


def hours(*deaths: int) -> dict[datetime, int]:
    """This hour's first, then those before it."""
    return {problems.hour_of(NOW) - back * HOUR: count for back, count in enumerate(deaths)}


def test_the_last_hour_reaches_into_the_one_before() -> None:
    rates = Rates.of(hours(10, 40, 8), NOW)
    assert (rates.last, rates.before) == (10 + 0.75 * 40, 0.25 * 40 + 0.75 * 8)


@pytest.mark.parametrize(
    ("deaths", "growing"),
    [
        ([25], True),  # out of nothing
        ([20], False),  # too few to say
        ([100, 100, 100, 100, 100, 100, 100, 100], False),  # as usual
        ([0, 0, 0, 0, 0, 900], False),
        ([200, 60, 50, 50, 50, 50, 50, 50], True),
    ],
)
def test_growing_is_more_than_twice_the_usual_and_more_than_twenty(deaths: list[int], growing: bool) -> None:
    assert Rates.of(hours(*deaths), NOW).growing is growing


def test_a_problem_grows_and_stops_growing() -> None:
    for _ in range(21):
        spam(1)
    problems.assign_all()
    problem_counts.count(every=0)
    assert Problem.objects.get().growing
    ProblemHour.objects.update(hour=problems.hour_of(timezone.now()) - 20 * HOUR)
    Problem.objects.update(last_seen=timezone.now() - 20 * HOUR)
    problem_counts.count(every=0)
    assert not Problem.objects.get().growing


@pytest.mark.parametrize(
    ("columns", "awake"),
    [
        ({"quiet_below": 1}, True),
        ({"quiet_below": 5}, False),
        ({"quiet_until": timezone.now() - HOUR, "quiet_below": 5}, True),
        ({"quiet_until": timezone.now() + HOUR}, False),
    ],
)
def test_a_known_problem_is_quiet_until_it_doubles_or_a_date(columns: dict[str, Any], awake: bool) -> None:
    spam(1)
    spam(2)
    problems.assign_all()
    Problem.objects.update(state=State.KNOWN, **columns)
    problem_counts.count(every=0)
    one = Problem.objects.get()
    assert one.state == State.KNOWN
    assert (one.quiet_until is None and one.quiet_below is None) is awake
