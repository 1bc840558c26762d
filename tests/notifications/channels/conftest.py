"""The HTTP transport in both of its ways, for the tests that both must pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from notifications.channels.transport.blocking import BlockingHttp
from tests.notifications.channels.on_loop import OnLoop, Opened, Posts


@pytest.fixture(params=["threads", "loop"])
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """The transport as threads use it, and on a loop. Both promise the same."""
    with ExitStack() as used:

        def opened(timeout: float) -> Posts:
            if request.param == "loop":
                on_loop = OnLoop(timeout)
                used.callback(on_loop.end)
                return on_loop
            blocking = BlockingHttp(timeout)
            used.callback(blocking.close)
            return blocking

        yield opened
