"""The load on the web: keep-alive connections over asyncio, in a process of its own, as lean as Python allows.

`python -m benchmarks.load --port 8020 --key K --connections 32 --seconds 5` keeps every connection busy;
with `--rate` calls go out at that pace whatever the answers take. The last line of the output is JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from uuid import uuid4

from benchmarks.traffic import receiver_of, text_of

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Connection(asyncio.Protocol):
    """One call at a time; `on_answer(number, sent_at, status, body)` and then it is free again."""

    def __init__(self, on_answer: Callable[[Connection, int, float, int, bytes], None]) -> None:
        self._on_answer = on_answer
        self._buffer = b""
        self._number = -1
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def call(self, number: int, request: bytes) -> None:
        assert self._transport is not None
        self._number = number
        self._sent_at = time.time()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        length = LENGTH.search(head)
        assert length is not None, head
        if len(body) < int(length[1]):
            return
        self._buffer = b""
        self._on_answer(self, self._number, self._sent_at, int(head[9:12]), body)


class Load:
    """Calls made and answers seen between `warm` and `warm + seconds`."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._requests = requests(given)
        self._free: list[Connection] = []
        self.late = 0
        self.calls = 0  # answered, the warm-up's too
        self.answers: Counter[int] = Counter()
        self.seconds: list[float] = []
        self.log: list[tuple[int, float, float, str]] = []
        self._from = self._until = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(self._given.connections):
            _, connection = await loop.create_connection(
                lambda: Connection(self._answered), "127.0.0.1", self._given.port
            )
            self._free.append(connection)
        self._from = time.time() + self._given.warm
        self._until = self._from + self._given.seconds
        await (self._pace() if self._given.rate else self._keep_busy())

    async def _keep_busy(self) -> None:
        for connection in list(self._free):
            connection.call(*next(self._requests))
        await asyncio.sleep(self._until - time.time())

    async def _pace(self) -> None:
        start = time.time()
        for number in count():
            at = start + number / self._given.rate
            if at >= self._until:
                break
            await asyncio.sleep(max(0.0, at - time.time()))
            if self._free:
                self._free.pop().call(*next(self._requests))
            else:
                self.late += 1
        await asyncio.sleep(1.0)

    def _answered(self, connection: Connection, number: int, sent_at: float, status: int, body: bytes) -> None:
        now = time.time()
        self.calls += 1
        if self._from <= sent_at and now < self._until:
            self.answers[status] += 1
            self.seconds.append(now - sent_at)
            if self._given.log:
                self.log.append((number, sent_at, now, json.loads(body).get("id", "")))
        if self._given.rate:
            self._free.append(connection)
        elif now < self._until:
            connection.call(*next(self._requests))


def requests(given: argparse.Namespace) -> Iterator[tuple[int, bytes]]:
    """Endless numbered requests; every call has receivers of its own."""
    path = "/notifications" if given.batch else "/notification"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{given.port}\r\nAuthorization: Bearer {given.key}\r\n"
        "Content-Type: application/json\r\nContent-Length: %d\r\n"
    ).encode() + (b"" if given.idempotent else b"\r\n")
    if given.batch:
        bodies = [b'{"notifications":[%s]}' % b",".join(items(given, b * given.batch)) for b in range(8)]
        for number in count():
            body = bodies[number % len(bodies)]
            yield number, head % len(body) + body
    unique = uuid4().hex
    for number in count():
        body = item(given, number)
        key = b"Idempotency-Key: %s-%d\r\n\r\n" % (unique.encode(), number) if given.idempotent else b""
        yield number, head % len(body) + key + body


def items(given: argparse.Namespace, start: int) -> list[bytes]:
    return [item(given, number) for number in range(start, start + given.batch)]


def item(given: argparse.Namespace, number: int) -> bytes:
    receiver = receiver_of(given.channel, number)
    return f'{{"type":"{given.channel}","message":"{text_of(number, "timed")}","receiver":"{receiver}"}}'.encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="none")
    parser.add_argument("--channel", default="EMAIL")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm", type=float, default=1.0)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--idempotent", action="store_true", help="with an Idempotency-Key, each call a new one")
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--log", type=Path, help="number, sent, answered and id of each call")
    given = parser.parse_args()
    load = Load(given)
    asyncio.run(load.run())
    if given.log:
        given.log.write_text("".join(f"{n} {sent:.6f} {done:.6f} {id}\n" for n, sent, done, id in load.log))
    found = {"answers": load.answers, "calls": load.calls, "late": load.late, "seconds": given.seconds}
    print(json.dumps(found | {"took": sorted(load.seconds)}))


if __name__ == "__main__":
    main()
