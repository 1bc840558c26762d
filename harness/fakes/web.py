"""An HTTP/1.1 server as small as the fakes need it: POST, keep-alive, Content-Length."""

from __future__ import annotations

import asyncio
import json
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import parse_qsl

from harness.fakes.fake import Behaviour, Fake


@dataclass(frozen=True)
class Request:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: bytes

    def json(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(self.body))

    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=True))


@dataclass(frozen=True)
class Sent:
    """What a request asked the provider to send."""

    receiver: str
    text: str
    id: str = ""


class WebFake(Fake):
    """A provider with an HTTP API. `requests` has every request in order, `answers` each JSON object answered."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.requests: list[Request] = []
        self.answers: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @abstractmethod
    def read(self, request: Request) -> Sent | Behaviour:
        """Returns what is to be sent, or how to refuse the request itself."""

    @abstractmethod
    def good(self, sent: Sent, request: Request) -> tuple[int, str]:
        """Returns status and body for what is accepted."""

    @abstractmethod
    def bad(self, behaviour: Behaviour, receiver: str) -> str:
        """Returns the body of a refusal."""

    def protocol(self) -> asyncio.Protocol:
        return _Connection(self)


class _Connection(asyncio.Protocol):
    def __init__(self, fake: WebFake) -> None:
        self._fake = fake
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._fake.opened(self, transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._fake.closed(self)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return
        self._buffer = rest[length:]
        method, path, _ = first.split(" ", 2)
        self._handle(Request(method, path, headers, rest[:length]))

    def _handle(self, request: Request) -> None:
        self._fake.requests.append(request)
        sent = self._fake.read(request)
        behaviour = sent if isinstance(sent, Behaviour) else self._fake.behaviour(sent.receiver)
        if behaviour.delay:
            asyncio.get_running_loop().call_later(behaviour.delay, self._reply, behaviour, sent, request)
        else:
            self._reply(behaviour, sent, request)

    def _reply(self, behaviour: Behaviour, sent: Sent | Behaviour, request: Request) -> None:
        if behaviour.hang:
            return
        if behaviour.status or isinstance(sent, Behaviour):
            receiver = "" if isinstance(sent, Behaviour) else sent.receiver
            body = self._fake.bad(behaviour, receiver) if behaviour.body is None else behaviour.body
            self._write(behaviour.status, body, behaviour.headers)
            return
        self._fake.accept(sent.receiver, sent.text, sent.id)
        status, body = self._fake.good(sent, request)
        if behaviour.drop:
            if self._transport:
                self._transport.abort()
            return
        self._write(behaviour.accepted or status, body if behaviour.body is None else behaviour.body, behaviour.headers)

    def _write(self, status: int, body: str | bytes, headers: tuple[tuple[str, str], ...]) -> None:
        if not self._transport:
            return
        data = b"" if status == 204 else body.encode() if isinstance(body, str) else body
        kind = "application/json" if data[:1] == b"{" else "text/plain"
        if data[:1] == b"{" and isinstance(body, str):
            self._fake.answers.append(json.loads(body))
        lines = [f"HTTP/1.1 {status} -", f"Content-Type: {kind}", f"Content-Length: {len(data)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self._transport.write("\r\n".join([*lines, "\r\n"]).encode() + data)
