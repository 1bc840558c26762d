"""A lean HTTP transport for the channels: one open connection per thread and host, one deadline per request."""

from __future__ import annotations

import base64
import select
import socket
import ssl
import threading
from time import monotonic
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from notifications.channels.outcomes import Cause, SendError
from notifications.channels.transport.dial import CONNECT_SECONDS, dial, left

AGENT = "notifications"  # how our requests name who sends them
IDLE_SECONDS = 30.0  # an older connection may have been dropped on the way without a word
MAX_ANSWER = 65_536  # bytes, headers included
READ = 8_192
NOT_HTTP = (HttpParserError, HttpParserUpgrade)


class Answer(NamedTuple):
    """A provider's answer. A body that broke off is cut short, and its status still counts."""

    status: int
    headers: dict[str, str]  # names in lower case
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


class Http:
    """POSTs with a total timeout in seconds; follows no redirects."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._tls = ssl.create_default_context()
        self._mine = threading.local()

    def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Returns the answer, whatever its status.

        Raises SendError, which is uncertain once the whole request was handed over.
        """
        deadline = monotonic() + self._timeout
        target = urlsplit(url)
        connection = self._hand_over(target, _request(target, body, headers), deadline)
        try:
            return connection.answer(deadline)
        except TimeoutError:
            raise SendError(Cause.TIMEOUT, "No answer in time.", uncertain=True) from None
        except (OSError, *NOT_HTTP) as error:
            detail = f"The connection broke before an answer came ({type(error).__name__})."
            raise SendError(Cause.OUTCOME_UNKNOWN, detail, uncertain=True) from None

    def close(self) -> None:
        for connection in self._connections().values():
            connection.close()
        self._connections().clear()

    def _hand_over(self, target: SplitResult, request: bytes, deadline: float) -> _Connection:
        """Returns the connection that took the whole request. One that the server closed while idle is opened anew.

        Raises SendError.
        """
        connections = self._connections()
        origin = target.scheme + target.netloc
        connection = connections.pop(origin, None)
        if connection and connection.usable:
            try:
                connection.write(request, deadline)
            except OSError:  # not all of it went out, so nobody can have acted on it
                connection.close()
            else:
                connections[origin] = connection
                return connection
        try:
            connection = _Connection(target, self._tls, deadline)
            connection.write(request, deadline)
        except OSError as error:
            raise SendError(Cause.CONNECTION, f"No connection: {error.strerror or type(error).__name__}.") from None
        connections[origin] = connection
        return connection

    def _connections(self) -> dict[str, _Connection]:
        if not hasattr(self._mine, "connections"):
            self._mine.connections = {}
        found: dict[str, _Connection] = self._mine.connections
        return found


class _Connection:
    """One connection, used by one thread for one request at a time."""

    def __init__(self, target: SplitResult, tls: ssl.SSLContext, deadline: float) -> None:
        """Connects, in CONNECT_SECONDS for the name, the address and TLS together. Raises OSError."""
        port = target.port or (443 if target.scheme == "https" else 80)
        deadline = min(deadline, monotonic() + CONNECT_SECONDS)
        self._socket = dial(target.hostname or "", port, deadline)
        if target.scheme == "https":
            self._socket.settimeout(left(deadline))  # a handshake has this in total, other than a plain read
            self._socket = tls.wrap_socket(self._socket, server_hostname=target.hostname)
        self._open = True
        self._used = monotonic()

    @property
    def usable(self) -> bool:
        return self._open and monotonic() - self._used < IDLE_SECONDS and not hung_up(self._socket)

    def write(self, request: bytes, deadline: float) -> None:
        rest = memoryview(request)
        while rest:  # sendall would begin anew with its timeout at each piece of TLS
            self._socket.settimeout(left(deadline))
            rest = rest[self._socket.send(rest) :]

    def answer(self, deadline: float) -> Answer:
        """Reads and returns one answer. The connection stays open only after a complete one that allows it.

        Raises OSError, HttpParserError or HttpParserUpgrade where there is no status.
        """
        incoming = _Incoming()
        try:
            while not incoming.complete:
                self._socket.settimeout(left(deadline))
                incoming.feed(self._socket.recv(READ))
        except (OSError, *NOT_HTTP):
            if not incoming.status:
                raise
        finally:
            self._used = monotonic()
            if not incoming.reusable:
                self.close()
        return Answer(incoming.status, incoming.headers, b"".join(incoming.body))

    def close(self) -> None:
        self._open = False
        self._socket.close()


class _Incoming:
    """An answer as llhttp reports it, piece by piece."""

    def __init__(self) -> None:
        self.status = 0  # 0 until the headers are complete
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.complete = False
        self.reusable = False
        self._bytes = 0
        self._parser = HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the connection. Raises ConnectionError at its end, HttpParserError at nonsense."""
        self._bytes += len(data)
        if not data or self._bytes > MAX_ANSWER:
            raise ConnectionResetError
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        if self.complete:  # nobody asked for a second answer
            self.reusable = False
            raise HttpParserError

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

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


def hung_up(connected: socket.socket) -> bool:
    """Returns whether an idle connection has something to read: its end, or words that nobody asked for."""
    poll = select.poll()
    try:
        poll.register(connected, select.POLLIN)
    except ValueError:  # closed by us
        return True
    return bool(poll.poll(0))


def _request(target: SplitResult, body: bytes, headers: dict[str, str]) -> bytes:
    place = f"{target.path or '/'}{'?' if target.query else ''}{target.query}"
    lines = [f"POST {place} HTTP/1.1", f"Host: {target.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() != "accept-encoding"]
    lines.append("Accept-Encoding: identity")  # nothing here unpacks a body
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("A header must not contain a line break.")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1") + body
