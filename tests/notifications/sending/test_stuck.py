"""When a restart may help: a loop stands still, and not because the database is away."""

from __future__ import annotations

import pytest

from notifications.brokers.base import open_broker
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.pauses.in_force import Pauses
from notifications.scheduling import scheduler
from notifications.scheduling.scheduler import Scheduler
from notifications.sending import delivery
from notifications.sending.delivery import Delivery
from notifications.sending.policies import Policies
from notifications.sending.route import Route
from notifications.sending.settler import Settler
from tests.notifications.rows import Scripted
from users.recipients.known import Known


@pytest.fixture
def idle() -> Delivery:
    settler = Settler(lease=60, send_timeout=20, hooks=NO_HOOKS)
    return Delivery(
        Route("EMAIL", [Scripted()], lambda *_: None),
        broker=open_broker(),
        hooks=NO_HOOKS,
        policies=Policies(),
        pauses=Pauses(),
        known=Known(),
        settler=settler,
        at_once=1,
        on_fatal=lambda _: None,
    )


@pytest.mark.parametrize(
    ("polled", "failing_since", "stuck"),
    [(0.0, None, False), (-delivery.STUCK - 1, None, True), (-delivery.STUCK - 1, 1.0, False)],
)
def test_a_consumer_that_has_not_polled_for_a_minute(
    idle: Delivery, monkeypatch: pytest.MonkeyPatch, polled: float, failing_since: float | None, stuck: bool
) -> None:
    now = 1000.0
    monkeypatch.setattr("notifications.sending.delivery.time.monotonic", lambda: now)
    idle._polled_at = {"transactional": now, "bulk": now + polled}
    idle._claiming.failing_since = failing_since
    assert idle.is_stuck() is stuck


@pytest.mark.django_db
def test_a_scheduler_that_has_not_begun_a_round_for_a_minute() -> None:
    one = Scheduler(open_broker(), NO_HOOKS)
    assert not one.is_stuck()
    one._moved_at -= scheduler.STUCK + 1
    assert one.is_stuck()
