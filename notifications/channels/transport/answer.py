"""HTTP without a connection: the bytes of a request, and an answer as it comes in, piece by piece."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_ANSWER = 65_536  # bytes, headers included
NOT_HTTP = (HttpParserError, HttpParserUpgrade)


class Headers(Mapping[str, str]):
    """The headers of an answer by their names in lower case. They are decoded once one is asked for: often none is."""

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw

    @cached_property
    def _decoded(self) -> dict[str, str]:
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self._raw}

    def __getitem__(self, name: str) -> str:
        return self._decoded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._decoded)

    def __len__(self) -> int:
        return len(self._decoded)


class Answer(NamedTuple):
    """A provider's answer. A body that broke off is cut short, and its status still counts."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> dict[str, object]:
        """Returns the body as a JSON object, or {} where it is something else."""
        try:
            decoded = msgspec.json.decode(self.body)
        except (ValueError, RecursionError):
            return {}
        return decoded if isinstance(decoded, dict) else {}


class Incoming:
    """An answer as llhttp reports it."""

    def __init__(self) -> None:
        self.status = 0  # 0 until the headers are complete
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.complete = False
        self.reusable = False
        self._bytes = 0
        self._parser = HttpResponseParser(self)

    def feed(self, data: memoryview) -> None:
        """Takes the next bytes of the connection. Raises ConnectionError at too many, NOT_HTTP at nonsense."""
        self._bytes += len(data)
        if self._bytes > MAX_ANSWER:
            raise ConnectionResetError
        self._parser.feed_data(data)

    def answer(self) -> Answer:
        return Answer(self.status, Headers(self.headers), b"".join(self.body))

    def on_message_begin(self) -> None:
        if self.complete:  # nobody asked for a second answer
            self.reusable = False
            raise HttpParserError

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:  # before it there may be others that say only "go on"
            self.status = self.status or status
        else:
            self.headers.clear()

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()


def basic(user: str, password: str) -> str:
    """Returns the Authorization header of HTTP's basic scheme."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def head_bytes(asked: str, host: str, length: int, headers: dict[str, str], traceparent: str) -> bytes:
    """Returns the head of a request for a method and path, whose body has that many bytes.

    Raises ValueError where a line contains a break.
    """
    first = (f"{asked} HTTP/1.1", f"Host: {host}", f"Content-Length: {length}")
    own = (*first, f"traceparent: {traceparent}") if traceparent else first
    return b"".join((_lines(own), _same_each_time(tuple(headers.items())), b"\r\n"))


@lru_cache(maxsize=64)  # a provider asks with the same ones for as long as it lives
def _same_each_time(headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"{name}: {value}" for name, value in headers if name.lower() != "accept-encoding"]
    return _lines((*lines, "Accept-Encoding: identity"))  # nothing here unpacks a body


def _lines(lines: Sequence[str]) -> bytes:
    text = "\r\n".join((*lines, ""))
    if not text.count("\r") == text.count("\n") == len(lines):
        raise ValueError("A header must not contain a line break.")
    return text.encode("latin-1")
