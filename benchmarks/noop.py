"""A provider of EMAIL that answers at once: what is left is what we cost."""

from __future__ import annotations

import os
import time
from typing import Self

from notifications.channels.base import AsyncProvider, Outgoing, Provider

LOG = os.environ.get("BENCH_LOG", "")


class Noop(AsyncProvider):
    """Sending does nothing, on the event loop as with every provider that we come with."""

    name = "noop"

    @classmethod
    def from_settings(cls) -> Self:
        return cls()

    async def asend(self, notification: Outgoing) -> str:
        return "noop"

    async def aclose(self) -> None:
        """Nothing is open."""


class Blocking(Provider):
    """The same in threads, as with a provider that brings a blocking client."""

    name = "noop"

    @classmethod
    def from_settings(cls) -> Self:
        return cls()

    def send(self, notification: Outgoing) -> str:
        return "noop"

    def close(self) -> None:
        """Nothing is open."""


class Timed(Noop):
    """Notes the arrival of notifications whose text says `timed`, in the file BENCH_LOG."""

    def __init__(self) -> None:
        self._log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def asend(self, notification: Outgoing) -> str:
        if "timed" in notification.message:
            os.write(self._log, f"{time.time():.6f} {notification.id}\n".encode())
        return "noop"
