"""Whose wait an answer is: a receiver's, whose other rows wait unsent, or our account's, for which all wait."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from django.db import connections
from prometheus_client import REGISTRY
from pytest_django import Settings

from harness.services.waiting import wait_until
from notifications.brokers.ledger_queue import EmbeddedBroker
from notifications.channels.base import Outgoing
from notifications.channels.outcomes import About, Cause, Outcome, SendError
from notifications.ledger import verdicts
from notifications.messages.words import Reason, Status
from notifications.models import Attempt, Notification
from notifications.scheduling import scheduler
from notifications.scheduling.scheduler import Scheduler
from notifications.sending import parking
from tests.notifications.rows import LETTERS, Scripted, ids, row
from tests.notifications.running import Running

pytestmark = pytest.mark.django_db(transaction=True)


class Site:
    """A delivery with a scheduler, and a provider that refuses each hand-over for which `refusal` gives an error."""

    def __init__(self, refusal: Callable[[Outgoing, int], SendError | None]) -> None:
        self.refusal = refusal
        self.running = Running(Scripted(self._answer))
        self.scheduler = Scheduler(EmbeddedBroker(), LETTERS)
        self._thread = threading.Thread(target=self._schedule, daemon=True)
        self._lock = threading.Lock()

    @property
    def handed(self) -> list[UUID]:
        return self.running.channel.handed

    def start(self) -> None:
        self.running.start()
        self._thread.start()

    def stop(self) -> None:
        self.scheduler.stop()
        self._thread.join(30)
        self.running.stop()

    def wait_until_sent(self, count: int) -> None:
        wait_until(lambda: Notification.objects.filter(status=Status.SENT).count() == count, what=f"{count} are sent")

    def _answer(self, outgoing: Outgoing) -> str:
        with self._lock:
            error = self.refusal(outgoing, self.handed.count(outgoing.id))
        if error:
            raise error
        return "x"

    def _schedule(self) -> None:
        try:
            self.scheduler.run()
        finally:
            connections.close_all()


@pytest.fixture
def site(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    settings.RETRY_SCHEDULE = (0.3,) * 5
    monkeypatch.setattr(parking, "THROTTLED_PACE", 0.05)
    monkeypatch.setattr(verdicts, "LEAST_REST", 0.3)
    monkeypatch.setattr(scheduler, "IDLE", 0.02)
    opened: list[Site] = []

    def begin(refusal: Callable[[Outgoing, int], SendError | None]) -> Site:
        opened.append(Site(refusal))
        return opened[-1]

    yield begin
    for one in opened:
        one.stop()


def slow_down(about: About | None = None, cause: Cause = Cause.THROTTLED, after: float | None = None) -> SendError:
    return SendError(cause, "429", about=about, retry_after=after)


def put_back(reason: Reason) -> float:
    return REGISTRY.get_sample_value("notifications_put_back_total", {"channel": "EMAIL", "reason": reason}) or 0.0


@pytest.mark.parametrize(
    ("cause", "after"),
    [(Cause.THROTTLED, 1.0), (Cause.THROTTLED, 0.0), (Cause.THROTTLED, None), (Cause.PROVIDER_ERROR, 1.0)],
)
def test_a_receivers_wait_is_that_of_all_its_rows_which_come_back_in_order(
    site: Callable[..., Site], cause: Cause, after: float | None
) -> None:
    rows = [row(receiver="hot@example.com") for _ in range(20)]
    other = row(receiver="cold@example.com")
    error = slow_down(About.RECEIVER, cause, after)
    there = site(lambda submitted, times: error if times == 1 and submitted.id == rows[0].id else None)
    there.start()
    waiting = Notification.objects.filter(receiver="hot@example.com", status=Status.WAITING)
    wait_until(lambda: waiting.count() >= len(rows) - 1, what="they wait")
    assert set(waiting.values_list("reason", flat=True)) <= {Reason.THROTTLED, Reason.RETRY}
    assert not waiting.filter(reason=Reason.THROTTLED, deferred_since=None).exists(), "it waits for its patience too"
    there.wait_until_sent(len(rows) + 1)
    hot = [id for id in there.handed if id != other.id]
    assert hot == [rows[0].id, *ids(rows)], "only the first was asked twice, and none overtook another"
    attempt = Attempt.objects.get()
    assert attempt.notification_id == rows[0].id, "who only waited was not throttled by an attempt"


def test_our_accounts_wait_is_the_whole_channels(site: Callable[..., Site]) -> None:
    rows = [row(receiver=f"r{number}@example.com") for number in range(60)]
    there: Site = site(lambda _, __: slow_down(after=1.0) if there.running.delivery.route.rest() == 0.0 else None)
    outages, rests = put_back(Reason.OUTAGE), put_back(Reason.THROTTLED)
    there.start()
    there.wait_until_sent(len(rows))
    assert put_back(Reason.OUTAGE) == outages
    assert put_back(Reason.THROTTLED) > rests, "what was claimed went back, and says why"
    throttled = Attempt.objects.filter(outcome=Outcome.THROTTLED).count()
    assert 1 <= throttled <= 4, "only what was under way was answered so"
    assert len(there.handed) == len(rows) + throttled
    assert there.running.breaker == [], "throttled is not down"
    assert not Notification.objects.exclude(attempts=0).exists()


def test_each_time_a_notification_is_throttled_its_wait_grows(settings: Settings, site: Callable[..., Site]) -> None:
    settings.RETRY_SCHEDULE = (0.3, 0.6, 3600.0)
    queued = row()
    there = site(lambda _, __: slow_down(About.RECEIVER, after=0.0))
    there.start()
    due: Any = None

    def far_off() -> Any:
        nonlocal due
        due = Notification.objects.get(id=queued.id).due_at
        return due and (due - Attempt.objects.latest("at").at).total_seconds() > 3000

    wait_until(far_off, what="the third wait is an hour")
    assert len(there.handed) == 3
    assert Notification.objects.get(id=queued.id).attempts == 0


@pytest.mark.parametrize("after", [None, 0.3])
def test_200_greylisted_receivers_say_nothing_of_the_provider(site: Callable[..., Site], after: float | None) -> None:
    rows = [row(receiver=f"r{number}@example.com") for number in range(200)]
    greylisted = slow_down(About.RECEIVER, Cause.PROVIDER_ERROR, after)
    there = site(lambda _, times: greylisted if times == 1 else None)
    there.start()
    there.wait_until_sent(len(rows))
    assert there.running.breaker == []
    assert set(Counter(there.handed).values()) == {2}


def test_a_greylisted_probe_closes_the_breaker(site: Callable[..., Site]) -> None:
    rows = [row(receiver=f"r{number}@example.com") for number in range(30)]
    down = slow_down(cause=Cause.CREDENTIALS)
    greylisted = slow_down(About.RECEIVER, Cause.PROVIDER_ERROR)
    there: Site = site(lambda _, times: None if times > 1 else greylisted if there.running.breaker else down)
    there.start()
    wait_until(lambda: [is_open for is_open, _ in there.running.breaker] == [True, False], what="it closed")
    assert len(rows) == Notification.objects.count()
