from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from tests.notifications.rows import Scripted
from tests.notifications.running import SCHEDULE, Run, Running

# A Kafka client outlives its test, and would go on complaining about a broker that is gone.
logging.getLogger("notifications.brokers.kafka.client").propagate = False


@pytest.fixture(params=["threads", "loop"])
def run(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Run]:
    """Starts deliveries, by threads and on a loop; they are stopped at the end of the test."""
    settings.RETRY_SCHEDULE = SCHEDULE
    started: list[Running] = []

    def begin(channel: Scripted | None = None, broker: Any = None, **options: Any) -> Running:
        running = Running(channel or Scripted(), broker, on_loop=request.param == "loop", **options)
        started.append(running)
        running.start()
        return running

    yield begin
    for running in started:
        running.stop()


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)
