"""Providers that answer as fast as Python can, in a process of their own: SMTP, Slack's webhooks, Twilio's Messages.

Not the tests' fakes: those check what they are sent, and would be the limit. A text with the word `slow` is
answered after five seconds, one with `hang` never, every other after `--delay`. Each line of `--log` is the
time of arrival and the number in the text (`n123`).
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TextIO

SLOW = 5.0
NUMBER = re.compile(rb"\bn(\d+)\b")
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
SLACK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nok"
TWILIO_BODY = (
    b'{"account_sid":"AC00000000000000000000000000000000","api_version":"2010-04-01","body":"Hello","date_created":'
    b'"Sun, 22 Nov 2026 20:00:00 +0000","date_sent":null,"date_updated":"Sun, 22 Nov 2026 20:00:00 +0000",'
    b'"direction":"outbound-api","error_code":null,"error_message":null,"from":"+15005550006",'
    b'"messaging_service_sid":null,"num_media":"0","num_segments":"1","price":null,"price_unit":null,'
    b'"sid":"SM00000000000000000000000000000000","status":"queued","subresource_uris":{},"to":"+15005550001",'
    b'"uri":"/2010-04-01/Accounts/AC00000000000000000000000000000000/Messages/SM0.json"}'
)
TWILIO = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(TWILIO_BODY),
    TWILIO_BODY,
)


class Sink(asyncio.Protocol):
    """A connection. `took` notes an arrival and gives the seconds after which to answer, or None for never."""

    def __init__(self, delay: float, log: TextIO) -> None:
        self._delay = delay
        self._log = log
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None

    def took(self, text: bytes) -> float | None:
        number = NUMBER.search(text)
        self._log.write(f"{time.time():.6f} {int(number[1]) if number else -1}\n")
        if b"hang" in text:
            return None
        return SLOW if b"slow" in text else self._delay

    def answer_after(self, seconds: float | None, answer: bytes) -> None:
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self.write, answer)
        elif seconds is not None:
            self.write(answer)

    def write(self, answer: bytes) -> None:
        if self._transport:
            self._transport.write(answer)


class Web(Sink):
    """POST with Content-Length and keep-alive."""

    def __init__(self, delay: float, log: TextIO, answer: bytes) -> None:
        super().__init__(delay, log)
        self._answer = answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        length = LENGTH.search(head) if end else None
        if length is None or len(body) < int(length[1]):
            return
        self._buffer = b""
        self.answer_after(self.took(body), self._answer)


class Mail(Sink):
    """SMTP with what every server offers today; only the mail itself is answered late."""

    def __init__(self, delay: float, log: TextIO) -> None:
        super().__init__(delay, log)
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies = b""
        while True:
            mark = b"\r\n.\r\n" if self._in_data else b"\r\n"
            line, end, rest = self._buffer.partition(mark)
            if not end:
                break
            self._buffer = rest
            if self._in_data:
                self._in_data = False
                self.answer_after(self.took(line), b"250 2.0.0 Ok: queued\r\n")
            else:
                replies += self._reply(line[:4].upper())
        if replies:
            self.write(replies)

    def _reply(self, verb: bytes) -> bytes:
        if verb == b"DATA":
            self._in_data = True
            return b"354 go on\r\n"
        if verb == b"QUIT":
            return b"221 bye\r\n"
        return b"250-sink\r\n250-SIZE 10485760\r\n250 PIPELINING\r\n" if verb == b"EHLO" else b"250 sink\r\n"


KINDS: dict[str, Callable[[float, TextIO], Sink]] = {
    "EMAIL": Mail,
    "SLACK": partial(Web, answer=SLACK),
    "SMS": partial(Web, answer=TWILIO),
}


async def serve(kind: str, delay: float, log: TextIO) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: KINDS[kind](delay, log), "127.0.0.1", 0, backlog=2048)
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    while not stop.is_set():
        log.flush()
        await asyncio.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("channel", choices=list(KINDS))
    parser.add_argument("--delay", type=float, default=0.02)
    parser.add_argument("--log", type=Path, required=True)
    given = parser.parse_args()
    with given.log.open("w") as log:
        asyncio.run(serve(given.channel, given.delay, log))
    sys.exit(0)


if __name__ == "__main__":
    main()
