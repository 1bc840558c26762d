"""When a provider is taken for down, and how it is tried again."""

from __future__ import annotations

import pytest

from notifications.channels.outcomes import Cause
from notifications.sending.breaker import FULL, LONGEST_PAUSE, RAMP_FROM, RAMP_TO, Breaker
from tests.notifications.rows import in_threads


class Provider:
    """A breaker with a clock to turn, and what it announced."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.changes: list[tuple[bool, Cause | None]] = []
        self.breaker = Breaker(lambda: self.now, lambda is_open, cause: self.changes.append((is_open, cause)))

    def send(self, cause: Cause | None, *, receivers: int = 100, count: int = 1) -> int:
        """How many of `count` sends were admitted; each ends with `cause`."""
        admitted = 0
        for number in range(count):
            if ticket := self.breaker.admit():
                admitted += 1
                self.breaker.note(ticket, f"r{number % receivers}", cause)
        return admitted

    def throttle(self, rest: float) -> None:
        """One more send, of which the provider says that our account is to slow down."""
        self.breaker.note(self.breaker.admit(), "r", Cause.THROTTLED, rest)

    def open(self) -> None:
        self.send(Cause.PROVIDER_ERROR, count=10)

    def pause(self) -> int:
        """Whole seconds until the next probe is let through."""
        assert self.breaker.is_open
        for second in range(100):
            if self.breaker.admits():
                return second
            self.now += 1
        raise AssertionError("no probe in 100 s")


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.mark.parametrize("cause", [Cause.PROVIDER_ERROR, Cause.CONNECTION, Cause.TIMEOUT])
def test_opens_at_the_tenth_failure_over_five_receivers(provider: Provider, cause: Cause) -> None:
    provider.send(cause, receivers=5, count=9)
    assert provider.changes == []
    provider.send(cause)
    assert provider.changes == [(True, cause)]
    assert provider.breaker.admits() == 0
    assert provider.breaker.admit() == 0


def test_four_receivers_are_their_own_trouble(provider: Provider) -> None:
    assert provider.send(Cause.PROVIDER_ERROR, receivers=4, count=500) == 500
    assert not provider.breaker.is_open


def test_stays_closed_below_half_of_the_sends(provider: Provider) -> None:
    provider.send(None, count=20)
    provider.send(Cause.TIMEOUT, count=19)
    assert not provider.breaker.is_open
    provider.send(Cause.TIMEOUT)
    assert provider.breaker.is_open


def test_failures_older_than_ten_seconds_are_forgotten(provider: Provider) -> None:
    provider.send(Cause.TIMEOUT, count=9)
    provider.now += 11
    provider.send(Cause.TIMEOUT, count=9)
    assert not provider.breaker.is_open
    provider.now += 9
    provider.send(Cause.TIMEOUT)
    assert provider.breaker.is_open


def test_bad_credentials_open_at_once(provider: Provider) -> None:
    provider.send(Cause.CREDENTIALS)
    assert provider.changes == [(True, Cause.CREDENTIALS)]


@pytest.mark.parametrize(
    "cause", [Cause.INVALID_RECEIVER, Cause.UNKNOWN_RECEIVER, Cause.THROTTLED, Cause.OPTED_OUT, Cause.BUG]
)
def test_what_says_nothing_about_the_provider_does_not_open(provider: Provider, cause: Cause) -> None:
    assert provider.send(cause, count=200) == 200
    assert not provider.breaker.is_open


def test_results_of_before_the_opening_change_nothing(provider: Provider) -> None:
    late = [provider.breaker.admit() for _ in range(20)]
    provider.open()
    for ticket in late[:10]:
        provider.breaker.note(ticket, "r", None)
    for ticket in late[10:]:
        provider.breaker.withdraw(ticket)
    assert provider.breaker.is_open
    assert provider.pause() == 1
    assert provider.breaker.admits() == 1


def test_probes_go_one_by_one_after_growing_pauses(provider: Provider) -> None:
    provider.open()
    pauses = []
    for _ in range(8):
        pauses.append(provider.pause())
        ticket = provider.breaker.admit()
        assert ticket
        assert provider.breaker.admit() == 0, "a second probe at the same time"
        provider.breaker.note(ticket, "r", Cause.CONNECTION)
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert max(pauses) == LONGEST_PAUSE
    assert provider.changes == [(True, Cause.PROVIDER_ERROR)], "one call, not one at every probe"


def test_a_probe_taken_back_leaves_room_for_the_next(provider: Provider) -> None:
    provider.open()
    provider.pause()
    provider.breaker.withdraw(provider.breaker.admit())
    assert provider.breaker.admits() == 1


def test_after_a_good_probe_the_sends_ramp_up_to_no_limit(provider: Provider) -> None:
    provider.open()
    provider.pause()
    assert provider.send(None) == 1
    assert provider.changes[-1] == (False, None)
    assert not provider.breaker.is_open
    limits = []
    while (most := provider.breaker.admits()) <= RAMP_TO:
        limits.append(most)
        tickets = [provider.breaker.admit() for _ in range(most)]
        assert all(tickets)
        assert provider.breaker.admit() == 0, "more at once than the ramp allows"
        for ticket in tickets:
            provider.breaker.note(ticket, "r", None)
    assert limits == [RAMP_FROM * 2**step for step in range(len(limits))]
    assert limits[-1] == RAMP_TO / 2
    assert provider.breaker.admits() == FULL


def test_a_throttled_account_rests_and_starts_again_with_two(provider: Provider) -> None:
    late = [provider.breaker.admit() for _ in range(20)]
    provider.throttle(7.0)
    for ticket in late:
        provider.breaker.note(ticket, "r", Cause.THROTTLED, 99.0)
    assert provider.breaker.rest == 7.0, "what was under way already says nothing new"
    assert provider.changes == [], "it is not down"
    assert provider.breaker.admit() == 0
    provider.now += 6.9
    assert provider.breaker.admits() == 0
    provider.now += 0.1
    assert provider.breaker.admits() == RAMP_FROM
    while provider.breaker.admits() < FULL:
        provider.send(None)
    assert provider.breaker.rest_of() == 0.0


def test_what_is_not_admitted_after_a_long_rest_does_not_wait_for_another_whole_one(provider: Provider) -> None:
    provider.throttle(3600.0)
    assert provider.breaker.rest_of() == 3600.0
    provider.now += 3600.0
    assert provider.breaker.rest_of() == LONGEST_PAUSE


def test_rests_grow_until_something_goes_through(provider: Provider) -> None:
    rests = []
    for _ in range(7):
        provider.throttle(0.0)
        rests.append(provider.breaker.rest)
        provider.now += provider.breaker.rest
    assert rests == [1, 2, 4, 8, 16, 30, 30]
    provider.send(None)
    provider.throttle(0.0)
    assert provider.breaker.rest == 1


def test_a_probe_that_was_throttled_closes_and_rests(provider: Provider) -> None:
    provider.open()
    provider.pause()
    provider.throttle(5.0)
    assert not provider.breaker.is_open
    assert provider.breaker.admits() == 0
    provider.now += 5
    assert provider.breaker.admits() == RAMP_FROM


@pytest.mark.parametrize("cause", [Cause.UNKNOWN_RECEIVER, Cause.THROTTLED])
def test_a_probe_that_was_answered_closes_whatever_the_answer(provider: Provider, cause: Cause) -> None:
    provider.open()
    provider.pause()
    provider.send(cause)
    assert not provider.breaker.is_open


def test_two_failures_while_ramping_open_again_for_longer(provider: Provider) -> None:
    provider.open()
    provider.pause()
    provider.send(None, count=2)
    provider.send(Cause.PROVIDER_ERROR)
    assert not provider.breaker.is_open, "one receiver's failure"
    provider.breaker.note(provider.breaker.admit(), "another", Cause.PROVIDER_ERROR)
    assert [is_open for is_open, _ in provider.changes] == [True, False, True]
    assert provider.pause() == 2


def test_bad_credentials_while_ramping_open_again_at_once(provider: Provider) -> None:
    provider.open()
    provider.pause()
    provider.send(None, count=3)
    provider.send(Cause.CREDENTIALS)
    assert provider.breaker.is_open


@pytest.mark.parametrize("every", [4, 20, 100])
def test_a_share_of_failures_that_is_usual_does_not_keep_it_from_closing(provider: Provider, every: int) -> None:
    """Some receiver always fails; a provider that works for the others is up."""
    provider.open()
    provider.pause()
    provider.send(None)
    for number in range(20_000):
        if provider.breaker.admits() > RAMP_TO:
            break
        provider.send(Cause.PROVIDER_ERROR if number % every == every - 1 else None)
    assert provider.breaker.admits() == FULL
    assert [is_open for is_open, _ in provider.changes] == [True, False]


def test_once_everything_goes_the_pauses_are_short_again(provider: Provider) -> None:
    for _ in range(2):
        provider.now += 11
        provider.open()
        assert provider.pause() == 1
        while provider.breaker.admits() < FULL:
            provider.send(None)


def test_opening_starts_a_new_window(provider: Provider) -> None:
    """Else the failures of before would open it again at the first of after."""
    provider.open()
    provider.pause()
    while provider.breaker.admits() < FULL:
        provider.send(None)
    provider.send(Cause.PROVIDER_ERROR, count=9)
    assert not provider.breaker.is_open


def test_many_threads_leave_the_count_right() -> None:
    breaker = Breaker()

    def storm() -> None:
        for number in range(2000):
            ticket = breaker.admit()
            if number % 3:
                breaker.note(ticket, "r", None)
            else:
                breaker.withdraw(ticket)

    in_threads(*[storm] * 8)
    assert breaker.admits() == FULL
