"""A delivery and its settler as a sender holds them, on the embedded queue or on prepared records."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connections

from harness.services.waiting import wait_until
from notifications.brokers.base import Broker, Record
from notifications.brokers.ledger_queue import EmbeddedBroker, EmbeddedConsumer
from notifications.channels.base import AsyncProvider, Outgoing
from notifications.channels.outcomes import Cause
from notifications.ledger.pauses.in_force import Pauses
from notifications.messages.words import Status
from notifications.models import Notification
from notifications.sending.delivery import Delivery
from notifications.sending.gates import Gate, in_order
from notifications.sending.parking import Parking
from notifications.sending.policies import Policies
from notifications.sending.route import Route
from notifications.sending.settler import Settler
from tests.notifications.rows import LETTERS, Scripted, ids
from users.recipients.known import Known

SCHEDULE = (30.0, 120.0)


class Feed:
    """A broker whose one consumer reads these records, or raises."""

    def __init__(self, *records: Record, error: Exception | None = None) -> None:
        self.records = list(records)
        self.error = error
        self.committed: list[Record] = []
        self.closed = 0

    def consumer(self, channel: str, priority: str) -> Any:
        return self if priority == "transactional" else Feed()

    def poll(self, limit: int, timeout: float, *, ahead: bool = False) -> list[Record]:
        if self.error:
            raise self.error
        taken, self.records = self.records[:limit], self.records[limit:]
        if not taken:
            time.sleep(0.01)
        return taken

    def commit(self, records: Sequence[Record]) -> None:
        self.committed += records

    def close(self) -> None:
        connections.close_all()
        self.closed += 1


class Embedded(EmbeddedBroker):
    """The embedded queue, whose consumers end their threads' connections."""

    def consumer(self, channel: str, priority: str) -> EmbeddedConsumer:
        return _Closing(channel, priority)


class _Closing(EmbeddedConsumer):
    def close(self) -> None:
        connections.close_all()


class OnLoop(AsyncProvider):
    """A scripted provider whose sends are coroutines: each waits for one of these threads, and the loop for none."""

    def __init__(self, scripted: Scripted) -> None:
        self.name = scripted.name
        self._scripted = scripted
        self._threads = ThreadPoolExecutor(32)

    async def asend(self, notification: Outgoing) -> str:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._send, notification)

    async def aclose(self) -> None:
        self._threads.shutdown(wait=False)

    def _send(self, notification: Outgoing) -> str:
        try:
            return self._scripted.send(notification)
        finally:
            self._scripted.close()


class Running:
    """A delivery and its settler, as a sender holds them."""

    def __init__(
        self,
        channel: Scripted,
        broker: Any = None,
        *,
        others: Sequence[Scripted] = (),
        gates_of: Callable[[Gate, Gate, Parking], Sequence[Gate]] = in_order,
        at_once: int = 4,
        on_loop: bool = False,
        lease: float = 60,
        send_timeout: float = 20,
    ) -> None:
        """`others` are the providers that are asked after the first, `channel`; with `on_loop` as coroutines."""
        self.channel = channel
        self.fatal: list[str] = []
        self.breaker: list[tuple[bool, Cause | None]] = []
        self.settler = Settler(lease=lease, send_timeout=send_timeout, hooks=LETTERS)
        self.settler.thread = threading.Thread(target=self._settle, daemon=True)
        self.pauses = Pauses()
        self.known, policies = Known(), Policies()
        self.known.refresh()
        policies.refresh()
        queue: Broker = broker or Embedded()
        route = [OnLoop(provider) if on_loop else provider for provider in (channel, *others)]
        self.delivery = Delivery(
            Route("EMAIL", route, self._note_breaker, is_paused=self.pauses.of_provider),
            broker=queue,
            hooks=LETTERS,
            policies=policies,
            pauses=self.pauses,
            known=self.known,
            gates_of=gates_of,
            settler=self.settler,
            at_once=at_once,
            on_fatal=self.fatal.append,
        )

    def _note_breaker(self, _channel: str, _provider: str, is_open: bool, cause: Cause | None) -> None:
        self.breaker.append((is_open, cause))

    def start(self) -> None:
        self.settler.thread.start()
        self.delivery.start()

    def _settle(self) -> None:
        try:
            self.settler._run()
        finally:
            connections.close_all()

    def stop(self, drain: float = 20.0) -> None:
        """Once; the settler goes last."""
        if not self.settler.thread.is_alive():
            return
        self.delivery.stop(time.monotonic() + drain)
        assert self.settler.stop(time.monotonic() + drain), "results are left unsettled"


Run = Callable[..., Running]


def settled(expected: Status, *rows: Notification) -> None:
    try:
        wait_until(lambda: set(_statuses(rows)) == {expected}, what=f"all are {expected}")
    except AssertionError as error:
        error.add_note(f"They are {set(_statuses(rows))}.")
        raise


def _statuses(rows: Sequence[Notification]) -> list[str]:
    return list(Notification.objects.filter(id__in=ids(rows)).values_list("status", flat=True))
