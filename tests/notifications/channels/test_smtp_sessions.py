"""The shared sessions: against a server that allows so many, and no more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.fakes.smtp import SmtpFake
from harness.services.waiting import wait_until
from notifications.channels.email.smtp import OverSmtp
from notifications.channels.email.writer import Writer
from notifications.channels.outcomes import About, Cause, Outcome, SendError
from notifications.channels.transport.smtp.client import Smtp
from tests.notifications.channels.parts import Note

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


def send_all(count: int, threads: int, email: OverSmtp) -> list[SendError]:
    """Send so many mails from so many threads, each of which closes at its end; what failed."""
    failed: list[SendError] = []
    left = iter(range(count))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                number = next(left, None)
            if number is None:
                email.close()
                return
            try:
                email.send(Note(f"bob{number}@example.com"))
            except SendError as error:
                failed.append(error)

    in_threads(threads, work)
    return failed


def in_threads(count: int, work: Callable[[], object]) -> None:
    with ThreadPoolExecutor(count) as pool:
        for done in [pool.submit(work) for _ in range(count)]:
            done.result(60)


@pytest.fixture
def fake() -> Iterator[SmtpFake]:
    with SmtpFake(most=10) as fake:
        yield fake


@pytest.mark.parametrize("crowded", CROWDED)
def test_more_threads_than_the_server_allows_lose_no_attempt(fake: SmtpFake, crowded: str) -> None:
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
    fake.answer(delay=0.005)  # so that threads really wait for each other
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
        failed: list[SendError] = []

        def hang() -> None:
            with pytest.raises(SendError):
                email.send(Note("slow@example.com"))

        def wait() -> None:
            wait_until(lambda: fake.open_connections, what="the only session is taken")
            with pytest.raises(SendError) as caught:
                email.send(Note("bob@example.com"))
            failed.append(caught.value)

        with ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(hang), pool.submit(wait)]:
                done.result(30)
        assert [(error.outcome, error.about) for error in failed] == [(Outcome.THROTTLED, About.ACCOUNT)]
        assert fake.asked == 1, "nothing of the other mail was handed over"
        fake.mend()
        fake.hang_up()
        assert send_all(4, 2, email) == []


def test_all_sessions_lost_at_once_are_replaced(fake: SmtpFake) -> None:
    email = channel(fake)
    barrier = threading.Barrier(10)

    def work() -> None:
        email.send(Note("bob@example.com"))
        if barrier.wait(30) == 0:
            fake.hang_up()
        barrier.wait(30)
        email.send(Note("bob@example.com"))
        email.close()

    in_threads(10, work)
    assert len(fake.accepted) == 20
    wait_until(lambda: not fake.open_connections, what="every session is closed at the end")


def test_a_session_that_was_idle_for_long_is_closed(fake: SmtpFake, monkeypatch: pytest.MonkeyPatch) -> None:
    email = channel(fake)
    email.send(Note("bob@example.com"))
    monkeypatch.setattr("notifications.channels.transport.smtp.session.IDLE_SECONDS", 0.0)
    email.send(Note("bob@example.com"))
    assert fake.connections == 2
