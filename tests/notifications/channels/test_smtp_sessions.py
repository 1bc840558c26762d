"""The sessions that sends share: against a server that allows so many, and no more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from time import monotonic

import pytest

from harness.fakes.smtp import SmtpFake
from harness.services.waiting import wait_until
from notifications.channels.email.smtp import OverSmtp
from notifications.channels.email.writer import Writer
from notifications.channels.outcomes import About, Cause, Outcome, SendError
from notifications.channels.transport.smtp.client import Smtp
from notifications.channels.transport.smtp.session import Server, Session
from tests.notifications.channels.parts import Note
from tests.notifications.channels.raw import Dialogue, dialogue

CROWDED = [
    "421 4.7.0 mx.example.com Error: too many connections from 192.0.2.1",  # Postfix
    "421 Too many concurrent SMTP connections; please try again later.",  # Exim
    "421 4.3.2 The maximum number of concurrent server connections has exceeded a limit",  # Exchange
    "450 4.7.1 Too many connections",
    "554 5.7.0 Too many connections from your host",
]


def channel(fake: SmtpFake, *, timeout: float = 20) -> OverSmtp:
    smtp = Smtp("127.0.0.1", fake.port, user="", password="", tls="", timeout=timeout)
    return OverSmtp(Writer(sender="app@example.com", default_subject="Hi"), smtp)


def send_all(count: int, at_once: int, email: OverSmtp) -> list[SendError]:
    """Send so many mails, so many of them at once, and close; what failed."""
    failed: list[SendError] = []
    left = iter(range(count))

    async def work() -> None:
        for number in left:
            try:
                await email.asend(Note(f"bob{number}@example.com"))
            except SendError as error:
                failed.append(error)

    async def work_all() -> None:
        await asyncio.gather(*(work() for _ in range(at_once)))
        await email.aclose()

    asyncio.run(work_all())
    return failed


@pytest.fixture
def fake() -> Iterator[SmtpFake]:
    with SmtpFake(most=10) as fake:
        yield fake


@pytest.mark.parametrize("crowded", CROWDED)
def test_more_sends_than_the_server_allows_lose_no_attempt(fake: SmtpFake, crowded: str) -> None:
    fake.crowded = crowded
    assert send_all(400, 64, channel(fake)) == []
    assert len(fake.accepted) == 400
    assert fake.most_open == 10
    assert fake.refused_connections < 64 + 10, "it knows after the first refusals how many there may be"
    wait_until(lambda: not fake.open_connections, what="every session is closed at the end")


def test_the_number_grows_again(fake: SmtpFake) -> None:
    email = channel(fake)
    fake.most = 2
    assert send_all(20, 8, email) == []
    assert fake.most_open == 2
    fake.most = 8
    fake.answer(delay=0.005)  # so that sends really wait for each other
    assert send_all(300, 8, email) == []
    assert fake.most_open > 4


def test_where_there_is_no_session_at_all_the_mail_waits_unspent() -> None:
    with SmtpFake(most=0) as fake:
        failed = send_all(20, 8, channel(fake))
    assert len(failed) == 20
    assert {(e.cause, e.outcome, e.about) for e in failed} == {(Cause.THROTTLED, Outcome.THROTTLED, About.ACCOUNT)}


def test_a_wait_in_vain_is_unspent_and_in_time() -> None:
    with SmtpFake(most=1) as fake:
        email = channel(fake, timeout=0.6)
        fake.answer("slow@example.com", hang=True)

        async def hang_and_wait() -> SendError:
            hanging = asyncio.create_task(email.asend(Note("slow@example.com")))
            while not fake.open_connections:
                await asyncio.sleep(0)
            with pytest.raises(SendError) as caught:
                await email.asend(Note("bob@example.com"))
            with pytest.raises(SendError):
                await hanging
            return caught.value

        error = asyncio.run(hang_and_wait())
        assert (error.outcome, error.about) == (Outcome.THROTTLED, About.ACCOUNT)
        assert fake.asked == 1, "nothing of the other mail was handed over"
        fake.mend()
        fake.hang_up()
        assert send_all(4, 2, email) == []


def test_all_sessions_lost_at_once_are_replaced(fake: SmtpFake) -> None:
    email = channel(fake)

    async def send_ten() -> None:
        await asyncio.gather(*(email.asend(Note("bob@example.com")) for _ in range(10)))

    async def send_twice() -> None:
        await send_ten()
        fake.hang_up()
        await send_ten()
        await email.aclose()

    asyncio.run(send_twice())
    assert len(fake.accepted) == 20
    wait_until(lambda: not fake.open_connections, what="every session is closed at the end")


def test_a_session_that_was_idle_for_long_is_closed(fake: SmtpFake, monkeypatch: pytest.MonkeyPatch) -> None:
    email = channel(fake)
    email.send(Note("bob@example.com"))
    monkeypatch.setattr("notifications.channels.transport.smtp.session.IDLE_SECONDS", 0.0)
    email.send(Note("bob@example.com"))
    assert fake.connections == 2


def test_a_send_that_is_given_up_leaves_its_session_to_the_next(fake: SmtpFake) -> None:
    """Both one that waits for a session and one that waits for its mail's answer."""
    fake.most = 1
    fake.answer("slow@example.com", delay=0.2)
    fake.answer("hanging@example.com", hang=True)
    email = channel(fake)

    def begin(receiver: str) -> asyncio.Task[str]:
        return asyncio.create_task(email.asend(Note(receiver)))

    async def give_up() -> None:
        await asyncio.gather(*(begin(f"bob{number}@example.com") for number in range(4)))  # it learns the limit
        slow = begin("slow@example.com")
        await asyncio.sleep(0)
        given_up, next_one = begin("given.up@example.com"), begin("next@example.com")
        await asyncio.sleep(0)
        given_up.cancel()
        assert await slow
        assert await next_one
        hanging, asked = begin("hanging@example.com"), fake.asked
        while fake.asked == asked:
            await asyncio.sleep(0)
        hanging.cancel()
        while fake.open_connections:
            await asyncio.sleep(0)
        assert await begin("last@example.com")
        await email.aclose()

    asyncio.run(give_up())
    receivers = [mail.receiver for mail in fake.accepted]
    assert "given.up@example.com" not in receivers
    assert receivers[-1] == "last@example.com"


def take_one(server: Dialogue, *, more: bytes = b"") -> None:
    """A session up to the reply to its first mail."""
    server.greet(b"PIPELINING")
    server.read_until(b"DATA\r\n")
    server.write(b"250 Ok\r\n250 Ok\r\n354 Go on\r\n")
    server.read_until(b"\r\n.\r\n")
    server.write(b"250 Taken\r\n" + more)


@pytest.mark.parametrize("late", [False, True], ids=["with the reply", "while it is idle"])
def test_a_session_on_which_more_came_than_was_asked_for_takes_no_other_mail(late: bool) -> None:
    """Each reply would be taken for that to the command before."""
    idle = threading.Event()

    def serve(server: Dialogue) -> None:
        take_one(server, more=b"" if late else b"250 More\r\n")
        if late:
            assert idle.wait(30)
            server.write(b"250 More\r\n")
        assert server.read_until(b"MAIL") == b"", "the client leaves"

    async def send_and_look() -> bool:
        session = await Session.open(Server("127.0.0.1", port, "", "", "", None, "x"), monotonic() + 30)
        await session.envelope("a@example.com", "b@example.com", 2, monotonic() + 30)
        await session.hand_over(b"x\r\n", "b@example.com")
        if not await session.reset():
            return False
        idle.set()
        while session.usable:
            await asyncio.sleep(0)
        session.drop()
        return True

    with dialogue(serve) as port:
        assert asyncio.run(send_and_look()) == late
