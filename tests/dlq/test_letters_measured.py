"""The gauges of open dead letters and of their problems, which alerts and dashboards read."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY

from dlq.letters import Letters
from dlq.models import DeadLetter
from dlq.problems import counts as problem_counts
from notifications.brokers.ledger_queue import EmbeddedBroker


def shown(cause: str) -> float | None:
    return REGISTRY.get_sample_value("notifications_open_dead_letters", {"cause": cause})


def open_problems(state: str) -> float | None:
    return REGISTRY.get_sample_value("notifications_open_problems", {"state": state})


@pytest.mark.django_db
def test_the_chores_count_open_letters_by_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problem_counts, "COUNT_EVERY", 0.0)
    chores = Letters(EmbeddedBroker())
    unreadable = [DeadLetter(cause="undecodable", topic="t", partition=0, offset=offset) for offset in range(3)]
    DeadLetter.objects.bulk_create([*unreadable, DeadLetter(cause="bug", state=DeadLetter.State.RESOLVED)])
    chores.do_chores()
    assert (shown("undecodable"), shown("bug")) == (3, 0)
    assert (open_problems("new"), open_problems("ignored")) == (1, 0)
    DeadLetter.objects.update(state=DeadLetter.State.DISCARDED)
    assert problem_counts.count(every=0)
    chores.do_chores()
    assert (shown("undecodable"), open_problems("new")) == (0, 0)
