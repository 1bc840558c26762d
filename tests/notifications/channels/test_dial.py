"""Looking up names: no thread more than it needs, whoever waits for it and gives up meanwhile."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from harness.services.waiting import wait_until
from notifications.channels.transport import dial as dial_module
from notifications.channels.transport.dial import dial


@pytest.fixture
def port() -> Iterator[int]:
    """Of a server here that takes connections."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


class Resolver:
    """Knows one address for every name, once it may answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.may_answer = threading.Event()
        self.fails = False

    def __call__(self, host: str, port: int, **_: object) -> list[object]:
        self.asked.append(host)
        self.may_answer.wait(30)
        if self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, "Not now")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
    resolver = Resolver()
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    yield resolver
    resolver.may_answer.set()
    wait_until(lambda: not dial_module._under_way, what="no look-up stays behind")


def test_dials_of_one_name_share_a_look_up_that_none_of_them_can_cancel(resolver: Resolver, port: int) -> None:
    async def dial_at_once() -> list[socket.socket | BaseException]:
        dials = [asyncio.create_task(dial("many.example", port)) for _ in range(20)]
        await asyncio.sleep(0)
        dials[0].cancel()
        await asyncio.sleep(0)
        dials.append(asyncio.create_task(dial("many.example", port)))
        await asyncio.sleep(0)
        resolver.may_answer.set()
        return await asyncio.gather(*dials, return_exceptions=True)

    given_up, *connected = asyncio.run(dial_at_once())
    assert isinstance(given_up, asyncio.CancelledError)
    for each in connected:
        assert isinstance(each, socket.socket)
        each.close()
    assert resolver.asked == ["many.example"]


def test_a_look_up_that_hangs_is_the_only_one_of_its_name(resolver: Resolver, port: int) -> None:
    async def try_often() -> None:
        for _ in range(5):
            attempt = asyncio.create_task(dial("slow.example", port))
            await asyncio.sleep(0)
            attempt.cancel()
        other = asyncio.create_task(dial("other.example", port))
        await asyncio.to_thread(wait_until, lambda: len(resolver.asked) == 2)
        resolver.may_answer.set()
        (await other).close()

    asyncio.run(try_often())
    assert sorted(resolver.asked) == ["other.example", "slow.example"]


def test_a_look_up_that_failed_is_made_again(resolver: Resolver, port: int) -> None:
    async def try_twice() -> None:
        resolver.fails = True
        with pytest.raises(socket.gaierror, match="Not now"):
            await dial("late.example", port)
        resolver.fails = False
        (await dial("late.example", port)).close()

    resolver.may_answer.set()
    asyncio.run(try_twice())
    assert len(resolver.asked) == 2


def no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("host", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_an_address_needs_no_thread(host: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    asyncio.run(dial(host, port)).close()


def test_a_thread_that_cannot_start_is_no_look_up_to_wait_for(
    resolver: Resolver, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolver.may_answer.set()
    with monkeypatch.context() as crowded, pytest.raises(RuntimeError):
        crowded.setattr(threading.Thread, "start", no_thread)
        asyncio.run(dial("some.example", port))
    asyncio.run(dial("some.example", port)).close()
