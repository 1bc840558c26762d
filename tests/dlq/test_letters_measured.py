"""The gauge of open dead letters, which alerts read."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from dlq.models import DeadLetter
from notifications.brokers.base import open_broker
from notifications.scheduling import scheduler


def shown(cause: str) -> float | None:
    return REGISTRY.get_sample_value("notifications_open_dead_letters", {"cause": cause})


@pytest.mark.django_db
def test_the_scheduler_counts_open_letters_by_cause() -> None:
    letters = [DeadLetter(cause="undecodable", topic="t", partition=0, offset=offset) for offset in range(3)]
    DeadLetter.objects.bulk_create([*letters, DeadLetter(cause="bug", state=DeadLetter.State.RESOLVED)])
    for chore in scheduler.chores:
        chore(open_broker())
    assert (shown("undecodable"), shown("bug")) == (3, 0)
    DeadLetter.objects.update(state=DeadLetter.State.DISCARDED)
    for chore in scheduler.chores:
        chore(open_broker())
    assert shown("undecodable") == 0
