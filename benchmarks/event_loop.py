"""The raw loop without threads: connections over asyncio that make the same provider calls and do nothing else.

`python -m benchmarks.with_django event_loop SMS 8000 --url … --in-flight 256`. Each connection sends the next request
as soon as the last one is answered: no task, no future, no timeout, no TLS. It is what asyncio has to give.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Callable, Iterator
from typing import ClassVar
from urllib.parse import urlencode, urlsplit

import msgspec
from django.conf import settings
from urllib3 import make_headers

from benchmarks.loop import Item, items
from notifications.channels.email.mime import address_of, mime
from notifications.channels.email.writer import Writer

LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


class Call(asyncio.Protocol):
    """A connection that takes one item after the other; `done` is called where there are no more."""

    def __init__(self, waiting: Iterator[Item], done: Callable[[], None]) -> None:
        self._waiting = waiting
        self._done = done
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def send_next(self) -> None:
        item = next(self._waiting, None)
        if item is None:
            self._done()
        else:
            self.begin(item)

    def begin(self, item: Item) -> None:
        """Sends an item."""
        raise NotImplementedError


class HttpCall(Call):
    """POST with keep-alive. The status is looked at, and the body is read."""

    def __init__(
        self, waiting: Iterator[Item], done: Callable[[], None], *, request: Callable[[Item], bytes], status: bytes
    ) -> None:
        super().__init__(waiting, done)
        self._request = request
        self._status = status

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.send_next()

    def begin(self, item: Item) -> None:
        self.write(self._request(item))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head) if end else None
        if length is None or len(body) < int(length[1]):
            return
        assert head[9:12] == self._status, head
        self._buffer = b""
        self.send_next()


class SmtpCall(Call):
    """The least of a client: EHLO once, then MAIL, RCPT and DATA at once, and the mail."""

    FINAL: ClassVar = re.compile(rb"^(\d{3}) .*\r\n", re.MULTILINE)

    def __init__(self, waiting: Iterator[Item], done: Callable[[], None]) -> None:
        super().__init__(waiting, done)
        self._writer = Writer.from_settings()
        self._mail = b""
        self._expected = [b"220"]  # replies still to come

    def begin(self, item: Item) -> None:
        mail = self._writer.mail(item)
        self._mail = mime(mail) + b".\r\n"
        self._expected = [b"250", b"250", b"354"]
        envelope = f"MAIL FROM:<{address_of(mail.sender)}>\r\nRCPT TO:<{mail.receiver}>\r\nDATA\r\n"
        self.write(envelope.encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        codes = self.FINAL.findall(self._buffer)
        if len(codes) < len(self._expected):
            return
        assert codes == self._expected, self._buffer
        self._buffer = b""
        self._go_on(codes[-1])

    def _go_on(self, code: bytes) -> None:
        if code == b"220":
            self._expected = [b"250"]
            self.write(b"EHLO bench.example.com\r\n")
        elif code == b"354":
            self._expected = [b"250"]
            self.write(self._mail)
        else:
            self.send_next()


def slack(item: Item) -> bytes:
    url = urlsplit(item.receiver)
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Type: application/json\r\n"
    return _with_length(head, msgspec.json.encode({"text": item.message}))


def twilio() -> Callable[[Item], bytes]:
    account, url = settings.TWILIO_ACCOUNT_SID, urlsplit(settings.TWILIO_BASE_URL)
    login = make_headers(basic_auth=f"{account}:{settings.TWILIO_AUTH_TOKEN}")["authorization"]
    head = (
        f"POST /2010-04-01/Accounts/{account}/Messages.json HTTP/1.1\r\nHost: {url.netloc}\r\n"
        f"Authorization: {login}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    )

    def request(item: Item) -> bytes:
        fields = {"To": item.receiver, "Body": item.message, "From": settings.TWILIO_FROM}
        return _with_length(head, urlencode(fields).encode())

    return request


def _with_length(head: str, body: bytes) -> bytes:
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def run(given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    waiting = iter(items(given.channel, given.count, given.url))
    left = given.in_flight
    finished = asyncio.Event()

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            finished.set()

    kinds: dict[str, Callable[[], Call]] = {
        "EMAIL": lambda: SmtpCall(waiting, done),
        "SLACK": lambda: HttpCall(waiting, done, request=slack, status=b"200"),
        "SMS": lambda: HttpCall(waiting, done, request=twilio(), status=b"201"),
    }
    for _ in range(given.in_flight):
        await loop.create_connection(kinds[given.channel], "127.0.0.1", urlsplit(given.url).port)
    await finished.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("channel", choices=["EMAIL", "SLACK", "SMS"])
    parser.add_argument("count", type=int)
    parser.add_argument("--url", required=True)
    parser.add_argument("--in-flight", type=int, default=64)
    asyncio.run(run(parser.parse_args()))
