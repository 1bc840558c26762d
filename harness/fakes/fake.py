"""What the fake providers share: a thread with an event loop, scripted answers, and a log of what was accepted."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TextIO, cast

EVERYBODY = "*"


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How to answer one receiver. Without any value it is the provider's good answer."""

    status: int = 0  # of HTTP; 0 is the good one
    accepted: int = 0  # of HTTP: what is accepted is answered with this status instead of the provider's own
    code: str | int = ""  # the provider's own code for it
    headers: tuple[tuple[str, str], ...] = ()
    body: str | bytes | None = None  # instead of the provider's body
    reply: str = ""  # of SMTP, such as "550 5.1.1 No such user"
    phase: str = "dot"  # of SMTP: mail (keyed by the sender), rcpt, or dot (the mail itself)
    delay: float = 0.0  # seconds before the answer
    hang: bool = False  # not accepted, never answered
    drop: bool = False  # accepted, then the connection is cut instead of an answer
    times: int = -1  # after so many the receiver is fine again; -1 is for ever


GOOD = Behaviour()


@dataclass(frozen=True)
class Accepted:
    """A message that the provider accepted and would deliver."""

    receiver: str
    text: str
    at: float  # seconds since the epoch
    id: str = ""  # the notification's, where the protocol carries it


class Fake(ABC):
    """`accepted` lists what was accepted, in order; `asked` counts requests, `connections` counts connections."""

    def __init__(self, *, port: int = 0, log: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self.accepted: list[Accepted] = []
        self.asked = 0
        self.connections = 0
        self.tls = tls
        self._log_path = log
        self._log: TextIO | None = None
        self._behaviours: dict[str, Behaviour] = {}
        self._changed = threading.Condition()
        self._open: dict[asyncio.Protocol, asyncio.BaseTransport] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name=type(self).__name__)

    # What a test calls.

    def answer(self, receiver: str = EVERYBODY, behaviour: Behaviour = GOOD, /, **changes: Any) -> None:
        """Sets how this receiver (or everybody) is answered from now on: `fake.answer("+15550001111", status=500)`."""
        self._behaviours[receiver] = replace(behaviour, **changes)

    def mend(self, receiver: str | None = None) -> None:
        """Sets the good answer again, for this receiver or for everybody."""
        if receiver is None:
            self._behaviours.clear()
        else:
            self._behaviours.pop(receiver, None)

    def hang_up(self) -> None:
        """Closes every open connection, as servers do with idle ones. Returns when they are closed."""
        asyncio.run_coroutine_threadsafe(self._close_all(), self._loop).result(10)

    def wait_for(self, count: int, *, deadline: float = 30.0) -> list[Accepted]:
        """Returns what was accepted, once that is `count` or more. Raises AssertionError after `deadline` seconds."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.accepted) >= count, deadline)
        assert enough, f"{len(self.accepted)} of {count} accepted within {deadline:g} s"
        return list(self.accepted)

    # What a server calls.

    def behaviour(self, receiver: str) -> Behaviour:
        """Returns how to answer this request. It runs in the loop, so that `times` is counted exactly."""
        self.asked += 1
        return self.behaviour_of(receiver)

    def behaviour_of(self, receiver: str) -> Behaviour:
        """Returns how to answer a receiver, without counting a request."""
        key = receiver if receiver in self._behaviours else EVERYBODY
        found = self._behaviours.get(key, GOOD)
        if found.times == 0:
            return GOOD
        if found.times > 0:
            self._behaviours[key] = replace(found, times=found.times - 1)
        return found

    def accept(self, receiver: str, text: str, id: str = "") -> None:
        """Notes what was accepted, in memory and in the file."""
        entry = Accepted(receiver, text, time.time(), id)
        if self._log:
            self._log.write(json.dumps(asdict(entry)) + "\n")
            self._log.flush()
        with self._changed:
            self.accepted.append(entry)
            self._changed.notify_all()

    def opened(self, protocol: asyncio.Protocol, transport: asyncio.BaseTransport) -> None:
        """Notes a connection, or the same one again after STARTTLS."""
        self.connections += protocol not in self._open
        self._open[protocol] = transport

    def closed(self, protocol: asyncio.Protocol) -> None:
        self._open.pop(protocol, None)

    @abstractmethod
    def protocol(self) -> asyncio.Protocol:
        """Returns the protocol of a new connection."""

    @property
    @abstractmethod
    def url(self) -> str:
        """The address of the server."""

    def __enter__(self) -> Self:
        self._log = self._log_path.open("a") if self._log_path else None
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        if self._log:
            self._log.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _start(self) -> None:
        self._server = await self._loop.create_server(
            self.protocol, "127.0.0.1", self.port, ssl=self.listening_tls, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def listening_tls(self) -> ssl.SSLContext | None:
        """TLS from the first byte, or None."""
        return self.tls

    async def _stop(self) -> None:
        self._server.close()
        await self._close_all()
        for task in asyncio.all_tasks(self._loop) - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    async def _close_all(self) -> None:
        there = dict(self._open)  # clients may open new ones meanwhile
        for transport in there.values():
            if self.tls:  # a TLS goodbye would wait for an answer that an idle client does not give
                cast("asyncio.Transport", transport).abort()
            else:
                transport.close()
        while there.keys() & self._open.keys():
            await asyncio.sleep(0.001)


def serve(kind: Callable[..., Fake]) -> None:
    """Runs a fake as a process until a signal ends it."""
    parser = argparse.ArgumentParser(description="A fake provider on 127.0.0.1; prints its URL once it listens.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, help="append what is accepted, as JSON lines")
    parser.add_argument("--answer", action="append", default=[], metavar='RECEIVER={"status": 500}')
    given = parser.parse_args()
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before there are threads: they inherit it
    with kind(port=given.port, log=given.log) as fake:
        for line in given.answer:
            receiver, _, behaviour = line.partition("={")
            fake.answer(receiver, **json.loads("{" + behaviour))
        sys.stdout.write(fake.url + "\n")
        sys.stdout.flush()
        signal.sigwait(ends)
