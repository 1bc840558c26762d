"""The last release and today's code, side by side on one database and one Kafka: forward, and back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from harness.platform import Platform
from harness.platform.providers import Providers, open_providers
from harness.services.process import Process
from harness.services.shared import SharedKafka, SharedPostgres
from harness.services.waiting import wait_until
from tests.faults.balance import balance
from tests.faults.site import PENDING, wait_until_sending
from tests.upgrades import release
from tests.upgrades.callers import Callers


@pytest.fixture
def providers() -> Iterator[Providers]:
    with open_providers() as providers:
        yield providers


@pytest.fixture
def last(tmp_path: Path, postgres: SharedPostgres, kafka: SharedKafka, providers: Providers) -> Iterator[Platform]:
    """The last release, running its own code. Nothing is started yet."""
    name = f"last_{uuid4().hex[:12]}"
    url = postgres.create_database(name)  # empty: both versions migrate
    with Platform.on(tmp_path, url, kafka.servers, topic_prefix=f"{name}.") as platform:
        platform.environment |= providers.environment
        platform.code = release.unpack(tmp_path / "code")
        yield platform


@pytest.fixture
def today(tmp_path: Path, last: Platform) -> Iterator[Platform]:
    """Today's code with the same settings, on the same database and topics."""
    (tmp_path / "today").mkdir()
    with Platform(tmp_path / "today", last.environment, last.database_url) as platform:
        yield platform


@pytest.mark.timeout(600)  # it starts twenty processes, one after the other
def test_a_rolling_upgrade_and_back_loses_nothing_and_refuses_nobody(
    last: Platform, today: Platform, providers: Providers
) -> None:
    callers = Callers(providers)
    last.prepare()
    today._key = last._key = last.create_api_key()
    start_workers(last)
    last.start_web()
    callers.ask(last)
    with callers.calling():
        callers.wait_for_more()
        today.prepare()
        callers.wait_for_more()
        replace(callers, last, today)
    agree(callers, today, providers)
    with callers.calling():
        replace(callers, today, last)
    agree(callers, today, providers)


def start_workers(platform: Platform) -> list[Process]:
    sender = platform.start_sender("--no-scheduler")
    scheduler = platform.start_scheduler()
    wait_until_sending(sender)
    return [sender, scheduler]


def replace(callers: Callers, old: Platform, new: Platform) -> None:
    """Starts each process of the one before its predecessor ends, in the manifests' order: workers, then the web."""
    workers = start_workers(new)
    callers.wait_for_more()
    end(old, "sender", "scheduler")
    callers.check_order()
    workers.append(new.start_web())
    callers.ask(old, new)
    callers.wait_for_more()
    callers.ask(new)
    end(old, "web")
    callers.check_order()
    assert all(process.running for process in workers), new.logs()


def end(platform: Platform, *names: str) -> None:
    for process in platform.processes:
        if process.name in names and process.running:
            assert process.stop(60) == 0, process.output[-4000:]


def agree(callers: Callers, today: Platform, providers: Providers) -> None:
    """AssertionError unless everything was accepted and came to an end, was sent once, and the books say so."""

    def is_over() -> bool:
        statuses = today.statuses()
        return statuses.total() == len(callers.accepted) and not any(statuses[status] for status in PENDING)

    wait_until(is_over, deadline=120, what="all has come to an end")
    assert callers.refused == []
    balance(today, callers.accepted, providers.texts(), duplicates=0)
    letters = today.sql("SELECT state FROM dlq_deadletter")
    assert [letter["state"] for letter in letters] == ["open"] * today.statuses()["dead"]
    assert letters
    today.manage("mend_ledger")
    assert "It balances." in today.manage("balance")
