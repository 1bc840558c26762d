"""One connection: its deadline, and how it breaks."""

from __future__ import annotations

import asyncio
import threading
from time import monotonic, sleep

import pytest
import trustme

from notifications.channels.outcomes import Cause, SendError
from notifications.channels.transport.answer import Answer
from notifications.channels.transport.http import Http
from notifications.channels.transport.smtp.wire import Wire
from tests.notifications.channels.parts import tls_pair
from tests.notifications.channels.raw import Dialogue, dialogue

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def set_in_some_turns(event: threading.Event) -> None:
    for _ in range(5):
        await asyncio.sleep(0)
    event.set()


def test_an_answer_that_came_with_its_deadline_costs_the_next_request_nothing() -> None:
    """The loop stands still past the deadline while the answer comes, so it sees both in the same turn."""
    answered, passed = threading.Event(), threading.Event()

    def serve(server: Dialogue) -> None:
        server.read_until(b"NOOP\r\n")
        server.write(b"250 first\r\n")
        answered.set()
        server.read_until(b"NOOP\r\n")
        assert passed.wait(30)
        server.write(b"250 second\r\n")

    async def ask_twice(port: int) -> list[bytes]:
        wire = await Wire.open("127.0.0.1", port, monotonic() + 30)
        await wire.write(b"NOOP\r\n")
        wire.deadline = monotonic()
        assert answered.wait(30)
        while monotonic() <= wire.deadline:
            sleep(0.001)
        _, first = await wire.reply()
        wire.deadline = monotonic() + 30
        await wire.write(b"NOOP\r\n")
        setting = asyncio.create_task(set_in_some_turns(passed))
        _, second = await wire.reply()
        await setting
        return [first, second]

    with dialogue(serve) as port:
        assert asyncio.run(ask_twice(port)) == [b"first", b"second"]


def test_over_tls_half_a_request_is_nothing_that_anybody_can_have_acted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits in this process behind the encryption is certain not to have arrived."""
    encrypts, trusted = tls_pair(trustme.CA())
    monkeypatch.setenv("SSL_CERT_FILE", trusted)

    def serve(server: Dialogue) -> None:
        server.encrypt(encrypts)
        server.read_until(b"\r\n\r\n")

    async def send_much(port: int) -> SendError:
        with pytest.raises(SendError) as caught:
            await Http(30).post(f"https://127.0.0.1:{port}/", b"x" * 50_000_000, {})
        return caught.value

    with dialogue(serve) as port:
        error = asyncio.run(send_much(port))
    assert (error.cause, error.uncertain) == (Cause.CONNECTION, False)


def test_a_request_that_does_not_go_out_in_time_is_not_tried_on_another_connection() -> None:
    """However many there are: the time of all of them is over."""
    over = threading.Event()

    def serve(server: Dialogue) -> None:
        server.read_until(b"{}")
        server.write(OK)
        assert over.wait(30)

    async def send_much(port: int) -> SendError:
        http, url = Http(1), f"http://127.0.0.1:{port}/"
        await http.post(url, b"{}", {})
        with pytest.raises(SendError) as caught:
            await http.post(url, b"x" * 50_000_000, {})
        over.set()
        return caught.value

    with dialogue(serve) as port:
        error = asyncio.run(send_much(port))
    assert (error.cause, error.uncertain) == (Cause.TIMEOUT, False)


@pytest.mark.parametrize("connection", [b"keep-alive", b"close"])
def test_an_answer_to_half_a_request_counts_and_takes_its_connection_with_it(connection: bytes) -> None:
    """The server reads nothing more of it, and what is left is no other request."""
    answered, left = threading.Event(), threading.Event()

    def serve(server: Dialogue) -> None:
        server.read_until(b"\r\n\r\n")
        server.write(b"HTTP/1.1 413 -\r\nConnection: " + connection + b"\r\nContent-Length: 3\r\n\r\nBig")
        assert answered.wait(30)
        server.read_until(b"never")
        left.set()

    async def send_much(port: int) -> Answer:
        http = Http(10)
        answer = await http.post(f"http://127.0.0.1:{port}/", b"x" * 50_000_000, {})
        answered.set()
        assert await asyncio.to_thread(left.wait, 30)
        await http.close()
        return answer

    with dialogue(serve) as port:
        answer = asyncio.run(send_much(port))
    assert (answer.status, answer.body) == (413, b"Big")
