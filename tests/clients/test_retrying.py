"""When clients/python asks again, without a network: its flows yield what they would send and how long they wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from notifications_client import OverLimit, Unavailable
from notifications_client.retrying import LONGEST_PAUSE, Outcome, ask, pause_before_next

REQUEST = httpx.Request("POST", "http://example.com/notification", headers={"Idempotency-Key": "one"}, content=b"{}")
ACCEPTED = httpx.Response(202)


class Tried:
    """One call: how often it was tried, how long it waited, and what came of it."""

    def __init__(self, *outcomes: Outcome, deadline: float = 60.0) -> None:
        self.now = 0.0
        self.tries = 0
        self.timeouts: list[float] = []
        flow = ask(REQUEST, deadline=deadline, timeout=10.0, now=lambda: self.now)
        given = iter(outcomes)
        try:
            step = next(flow)
            while True:
                step = flow.send(self._do(step, given.__next__))
        except StopIteration as end:
            self.answer: httpx.Response = end.value

    def _do(self, step: object, outcome: object) -> Outcome:
        if isinstance(step, float):
            self.now += step
            return None
        assert step is REQUEST
        self.tries += 1
        self.timeouts.append(REQUEST.extensions["timeout"]["read"])
        assert callable(outcome)
        found = outcome()
        assert isinstance(found, httpx.Response | httpx.TransportError)
        return found


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
        httpx.Response(429),
        httpx.Response(502),
        httpx.Response(503),
        httpx.Response(504),
    ],
)
def test_it_asks_again_after_trouble_that_passes(trouble: httpx.Response | httpx.TransportError) -> None:
    tried = Tried(trouble, trouble, ACCEPTED)
    assert (tried.answer, tried.tries) == (ACCEPTED, 3)
    assert tried.now > 0


@pytest.mark.parametrize("status", [200, 202, 301, 400, 401, 403, 404, 409, 413, 500])
def test_every_other_answer_is_the_answer(status: int) -> None:
    assert Tried(httpx.Response(status)).tries == 1


def test_it_waits_as_long_as_it_is_asked_to() -> None:
    in_seconds = httpx.Response(503, headers={"Retry-After": "20"})
    at_a_time = httpx.Response(429, headers={"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=30))})
    assert 50 - 5 < Tried(in_seconds, at_a_time, ACCEPTED).now < 50 + 5
    for nonsense in ("soon", "-5", "٣", "1e9", ""):
        assert Tried(httpx.Response(503, headers=[(b"Retry-After", nonsense.encode())]), ACCEPTED).now < 1


def test_pauses_grow_to_a_limit_and_differ_between_clients() -> None:
    pauses = [pause_before_next(number, None) for number in range(2_000)]
    assert 0.125 <= pauses[0] <= 0.25
    assert max(pauses) <= LONGEST_PAUSE
    assert min(pauses[10:]) >= LONGEST_PAUSE / 2
    assert len(set(pauses[10:])) > 1_000


@pytest.mark.parametrize(
    ("trouble", "error"), [(httpx.Response(503, text="full"), Unavailable), (httpx.Response(429), OverLimit)]
)
def test_it_ends_before_the_deadline(trouble: httpx.Response, error: type[Unavailable]) -> None:
    with pytest.raises(error, match=r"No answer within 5 s but \d+"):
        Tried(*[trouble] * 100, deadline=5.0)
    with pytest.raises(Unavailable, match="ConnectError refused"):
        Tried(*[httpx.ConnectError("refused")] * 100, deadline=5.0)


def test_a_wait_beyond_the_deadline_is_not_begun_and_no_try_outlives_it() -> None:
    with pytest.raises(Unavailable):
        Tried(httpx.Response(503, headers={"Retry-After": "3600"}))
    tried = Tried(httpx.Response(503, headers={"Retry-After": "4"}), ACCEPTED, deadline=5.0)
    assert tried.timeouts[0] == 5.0
    assert tried.timeouts[1] < 1.0
