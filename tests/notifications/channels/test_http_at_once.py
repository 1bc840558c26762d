"""The HTTP transport with many requests at once: by threads, and on one event loop."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from harness.fakes.slack import SlackFake
from harness.services.process import ROOT
from notifications.channels.outcomes import Cause, SendError
from notifications.channels.transport.answer import Answer
from notifications.channels.transport.blocking import BlockingHttp
from notifications.channels.transport.http import Http
from tests.notifications.channels.on_loop import OnLoop
from tests.notifications.channels.raw import Dialogue, dialogue
from tests.notifications.channels.test_http import post

HI = b'{"text": "Hi"}'


@pytest.fixture
def on_loop() -> Iterator[OnLoop]:
    used = OnLoop(5)
    yield used
    used.end()


def test_each_thread_has_its_own_connection() -> None:
    with SlackFake() as slack:
        http = BlockingHttp(5)
        here = threading.Barrier(3)

        def work() -> None:
            post(http, slack)
            here.wait(10)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(slack.accepted) == slack.connections == 3


def test_requests_on_one_loop_have_a_connection_each_and_leave_it_to_the_next(on_loop: OnLoop) -> None:
    async def several(slack: SlackFake) -> list[Answer]:
        return await asyncio.gather(*(on_loop.http.post(slack.webhook("x"), HI, {}) for _ in range(40)))

    with SlackFake() as slack:
        for _ in range(3):
            assert {answer.status for answer in on_loop.run(several(slack))} == {200}
        assert len(slack.accepted) == 120
        assert slack.connections == 40


def test_a_request_that_hangs_keeps_no_other_from_its_answer(on_loop: OnLoop) -> None:
    async def beside(slack: SlackFake) -> Answer:
        hanging = asyncio.create_task(on_loop.http.post(slack.webhook("slow"), HI, {}))
        answers = [await on_loop.http.post(slack.webhook("fast"), HI, {}) for _ in range(20)]
        hanging.cancel()
        return answers[-1]

    with SlackFake() as slack:
        slack.answer(slack.webhook("slow"), hang=True)
        assert on_loop.run(beside(slack)).status == 200


def test_a_request_that_is_given_up_takes_its_connection_with_it(on_loop: OnLoop) -> None:
    """Its answer would be taken for that of the next request."""

    async def give_up(url: str) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await on_loop.http.post(url, b"{}", {})

    def serve(server: Dialogue) -> None:
        server.read_until(b"{}")
        assert server.read_until(b"never") == b"", "the connection ends"

    with dialogue(serve) as port:
        on_loop.run(give_up(f"http://127.0.0.1:{port}/"))


def test_names_whose_look_up_hangs_keep_no_other_name_waiting(on_loop: OnLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    real = socket.getaddrinfo

    def look_up(host: str, *given: Any, **named: Any) -> object:
        if host.endswith(".example"):
            end.wait(60)
        return real(host, *given, **named)

    async def beside(slack: SlackFake) -> Answer:
        hanging = [asyncio.create_task(on_loop.http.post(f"http://n{n}.example/", HI, {})) for n in range(50)]
        answer = await on_loop.http.post(slack.webhook("x"), HI, {})
        for task in hanging:
            task.cancel()
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with SlackFake() as slack:
        try:
            assert on_loop.run(beside(slack)).status == 200
        finally:
            end.set()


def test_a_name_without_an_address_is_no_connection(on_loop: OnLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [])
    with pytest.raises(SendError) as caught:
        on_loop.post("http://none.example/", HI, {})
    assert (caught.value.cause, caught.value.uncertain) == (Cause.CONNECTION, False)


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-nonsense\r\n\r\n"], ids=["closed", "not HTTP"])
def test_a_request_that_fails_leaves_nothing_for_the_collector(answer: bytes) -> None:
    """Its frames know the text that was to be sent."""

    def serve(server: Dialogue) -> None:
        server.read_until(b"{}")
        server.write(answer)

    async def fail(port: int) -> None:
        with suppress(SendError):
            await Http(5).post(f"http://127.0.0.1:{port}/", b"{}", {})
            pytest.fail("it was answered")

    gc.collect()
    gc.disable()
    try:
        before = errors_alive()  # other tests keep some
        with dialogue(serve) as port:
            asyncio.run(fail(port))
        assert errors_alive() == before
    finally:
        gc.enable()


def errors_alive() -> int:
    return sum(issubclass(type(each), SendError | ConnectionError) for each in gc.get_objects())


def test_closing_ends_the_idle_connections_of_the_loop(on_loop: OnLoop) -> None:
    def serve(server: Dialogue) -> None:
        server.read_until(b"{}")
        server.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert server.read_until(b"never") == b"", "the connection ends"

    with dialogue(serve) as port:
        assert on_loop.post(f"http://127.0.0.1:{port}/", b"{}", {}).text == "ok"
        on_loop.close()


def test_half_a_request_is_nothing_that_anybody_can_have_acted_on(on_loop: OnLoop) -> None:
    """The server reads a part and goes: what never left this process is certain not to have arrived."""

    def serve(server: Dialogue) -> None:
        server.read_until(b"\r\n\r\n")

    async def send_much(port: int) -> SendError:
        with pytest.raises(SendError) as caught:
            await on_loop.http.post(f"http://127.0.0.1:{port}/", b"x" * 50_000_000, {})
        return caught.value

    with dialogue(serve) as port:
        error = on_loop.run(send_much(port))
    assert (error.cause, error.uncertain) == (Cause.CONNECTION, False)


ONE_POST = """
import asyncio, sys
from notifications.channels.transport.http import Http

print(asyncio.run(Http(1).post(sys.argv[1], b"{}", {})).status)
"""


def test_an_answer_that_came_while_the_process_stood_still_counts() -> None:
    """As after SIGSTOP: the deadline has passed, and epoll may say nothing when it is interrupted."""
    children: list[subprocess.Popen[bytes]] = []

    def serve(server: Dialogue) -> None:
        server.read_until(b"{}")
        children[0].send_signal(signal.SIGSTOP)
        server.write(b"HTTP/1.1 202 -\r\nContent-Length: 0\r\n\r\n")
        time.sleep(1.2)  # the child's clock goes on
        children[0].send_signal(signal.SIGCONT)
        server.read_until(b"never")

    with dialogue(serve) as port:
        command = [sys.executable, "-c", ONE_POST, f"http://127.0.0.1:{port}/"]
        children.append(subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT))
        words, _ = children[0].communicate(timeout=30)
    assert words == b"202\n", words.decode()
