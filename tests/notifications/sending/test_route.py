"""Which provider of a channel sends, and what happens to the others' breakers."""

from __future__ import annotations

import pytest

from notifications.channels.base import Outgoing
from notifications.channels.outcomes import Cause, SendError
from notifications.messages.words import Status
from notifications.models import Attempt, Notification
from notifications.sending.breaker import FIRST_PAUSE, FULL
from notifications.sending.route import Choice, Route
from tests.notifications.rows import Scripted, row
from tests.notifications.running import Run, settled


class Ways:
    """A route over two providers, with a clock to turn."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.changes: list[tuple[str, str, bool, Cause | None]] = []
        providers = [Scripted(name=name) for name in ("first", "second")]
        self.route = Route("EMAIL", providers, lambda *change: self.changes.append(change), lambda: self.now)

    def choose(self) -> Choice:
        choice = self.route.choose()
        assert choice is not None
        return choice

    def send(self, cause: Cause | None = None, rest: float | None = None) -> str:
        """Sends one, which ends so. Returns the name of the provider that it went to."""
        choice = self.choose()
        choice.note("r", cause, rest)
        return choice.name


@pytest.fixture
def ways() -> Ways:
    return Ways()


def test_the_first_provider_sends_while_it_works(ways: Ways) -> None:
    assert [ways.send() for _ in range(3)] == ["first"] * 3
    assert ways.route.admits() == 2 * FULL


def test_the_second_sends_while_the_first_is_down_and_probes_go_to_the_first(ways: Ways) -> None:
    ways.send(Cause.CREDENTIALS)
    assert ways.changes == [("EMAIL", "first", True, Cause.CREDENTIALS)]
    assert [ways.send() for _ in range(3)] == ["second"] * 3
    ways.now += FIRST_PAUSE
    assert ways.send() == "first"
    assert ways.changes[1:] == [("EMAIL", "first", False, None)]
    assert ways.send() == "first"


def test_each_provider_has_a_breaker_of_its_own(ways: Ways) -> None:
    ways.send(Cause.CREDENTIALS)
    ways.send(Cause.CREDENTIALS)
    assert [provider for _, provider, *_ in ways.changes] == ["first", "second"]
    assert ways.route.choose() is None
    assert ways.route.admits() == 0


def test_what_is_withdrawn_may_be_sent_after_all(ways: Ways) -> None:
    ways.send(Cause.CREDENTIALS)
    ways.now += FIRST_PAUSE
    ways.choose().withdraw()
    assert ways.send() == "first", "the probe was not used up"


def test_a_rest_counts_only_where_all_providers_rest(ways: Ways) -> None:
    ways.send(Cause.THROTTLED, rest=60.0)
    assert ways.route.rest() == 0.0
    ways.send(Cause.THROTTLED, rest=20.0)
    assert ways.route.choose() is None
    assert ways.route.rest() == 20.0


@pytest.mark.django_db(transaction=True)
def test_the_ledger_names_the_provider_that_was_asked(run: Run) -> None:
    def refuse(_: Outgoing) -> str:
        raise SendError(Cause.CREDENTIALS, "535")

    rows = [row(receiver=f"r{number}@example.com") for number in range(5)]
    running = run(Scripted(refuse, name="first"), others=[Scripted(name="second")], at_once=1)
    settled(Status.SENT, *rows[1:])
    refused = Notification.objects.exclude(status=Status.SENT).get()
    assert refused.provider == "first"
    assert set(Notification.objects.filter(status=Status.SENT).values_list("provider", flat=True)) == {"second"}
    assert Attempt.objects.get().notification_id == refused.id
    assert running.breaker == [(True, Cause.CREDENTIALS)]
