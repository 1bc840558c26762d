"""A sender's small periodic work, and the policies that it reads."""

from __future__ import annotations

import pytest
from django.db import OperationalError, connections

from harness.services.waiting import wait_until
from notifications.models import Category
from notifications.sending import housekeeping
from notifications.sending.housekeeping import Housekeeping
from notifications.sending.policies import Policies


def test_it_repeats_all_of_it_until_the_database_answers_and_tells_since_when_it_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(housekeeping, "PAUSE", 0.01)
    monkeypatch.setattr(housekeeping, "EVERY", 0.01)
    done: list[str] = []
    seen: list[float | None] = []

    def ask() -> None:
        seen.append(keeper.failing_since)
        if len(seen) < 3:
            raise OperationalError("away")
        done.append("asked")

    keeper = Housekeeping((ask, lambda: done.append("beat")))
    assert keeper.failing_since is None
    keeper.thread.start()
    try:
        assert keeper.wait(30)
        wait_until(lambda: len(done) >= 4, what="it goes on")
    finally:
        keeper.stop()
        keeper.thread.join(30)
    assert done[:4] == ["asked", "beat"] * 2
    assert seen[0] is None
    assert seen[1] is not None
    assert seen[1] == seen[2], "since the first failure"
    assert keeper.failing_since is None


@pytest.mark.django_db(transaction=True)
def test_it_reads_a_policy_that_was_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(housekeeping, "EVERY", 0.01)
    policies = Policies()
    keeper = Housekeeping((policies.refresh, connections.close_all))
    keeper.thread.start()
    try:
        assert keeper.wait(30)
        assert not policies.holds("invoice")
        Category.objects.create(name="invoice", on_uncertain=Category.OnUncertain.HOLD)
        wait_until(lambda: policies.holds("invoice"))
        Category.objects.update(on_uncertain=Category.OnUncertain.RESEND)
        wait_until(lambda: not policies.holds("invoice"))
    finally:
        keeper.stop()
        keeper.thread.join(30)
