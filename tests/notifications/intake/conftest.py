"""What tests of the intake share: a draft, a broker that answers what a test wants, and groups of new keys."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from harness.services.waiting import wait_until
from notifications.brokers.base import AWAY, DURABLE, Fate, Outbound
from notifications.intake import accept as intake
from notifications.intake import new_keys
from notifications.intake.accept import accept
from notifications.intake.new_keys import Groups, NewKey
from notifications.intake.refused import Conflict
from notifications.messages.draft import Draft
from notifications.messages.explain import Unavailable
from notifications.messages.message import from_record
from notifications.models import IdempotencyKey
from tests.notifications.rows import in_threads


def draft(**fields: Any) -> Draft:
    values: dict[str, Any] = {"type": "EMAIL", "receiver": "ann@example.com", "message": "Hello"}
    return Draft(**(values | fields))


class Broker:
    """Kafka as intake sees it: acknowledges what `durable` says."""

    def __init__(self, durable: Callable[[int], bool]) -> None:
        self.durable = durable
        self.records: list[Outbound] = []

    def publish(self, records: Sequence[Outbound]) -> list[Fate]:
        self.records += records
        return [DURABLE if self.durable(position) else AWAY for position in range(len(records))]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    """A broker that acknowledges everything and writes no ledger row: what is published is unclaimed."""
    broker = Broker(lambda _position: True)
    monkeypatch.setattr(intake, "open_broker", lambda: broker)
    return broker


Insert = Callable[[Sequence[NewKey]], frozenset[UUID]]
really_insert: Insert = new_keys.insert_now


class Inserts:
    """Every insert of this test: the keys of each group. The first one waits until the others have gathered."""

    def __init__(self, groups: Groups) -> None:
        self.groups = groups
        self.seen: list[list[str]] = []
        self.others = 0  # that the first waits for
        self.instead: Insert = really_insert  # of every group but the first
        self.begun = threading.Event()

    def __call__(self, keys: Sequence[NewKey]) -> frozenset[UUID]:
        self.seen.append([key.key for key in keys])
        if len(self.seen) == 1:
            self.begun.set()
            wait_until(lambda: len(self.groups._gathered) == self.others, what="the others have gathered")
            return really_insert(keys)
        return self.instead(keys)


@pytest.fixture
def inserts(monkeypatch: pytest.MonkeyPatch) -> Inserts:
    groups = Groups()
    inserts = Inserts(groups)
    monkeypatch.setattr(new_keys, "insert_now", inserts)
    monkeypatch.setattr(intake, "open_groups", lambda: groups)
    return inserts


def submit(key: str, **fields: Any) -> UUID | type[Exception]:
    """Accepts one draft with this key. Returns its id, or why it was not accepted."""
    try:
        return accept([draft(**fields)], client="shop", keys=[key]).ids[0]
    except (Conflict, Unavailable) as error:
        return type(error)


def first_and_then(inserts: Inserts, *submits: Callable[[], Any]) -> list[Any]:
    """Calls all at once, in a group of their own while the key `first` is inserted. Returns their results."""
    inserts.others = len(submits)

    def after(work: Callable[[], Any]) -> Any:
        assert inserts.begun.wait(30)
        return work()

    first, *others = in_threads(lambda: submit("first"), *[lambda work=work: after(work) for work in submits])
    assert isinstance(first, UUID)
    return others


def keys() -> dict[str, UUID]:
    return dict(IdempotencyKey.objects.values_list("key", "notification_id"))


def published(broker: Broker) -> list[UUID]:
    return [from_record(record.value).id for record in broker.records]
