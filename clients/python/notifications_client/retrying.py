"""When a request is sent again, and when that ends. Nothing here waits or sends.

A flow is a generator. It yields a request that is to be sent, and is given its answer or how the connection failed; or
it yields seconds to wait. So the client that blocks and the one on an event loop share all but the sending itself.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx

from notifications_client.errors import OverLimit, Unavailable

T = TypeVar("T")
Outcome = httpx.Response | httpx.TransportError | None  # None after a wait
Flow = Generator[httpx.Request | float, Outcome, T]

# How a connection can fail without anything being wrong with the request.
BROKEN = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ProxyError)
AGAIN = (429, 502, 503, 504)
FIRST_PAUSE = 0.25  # seconds, doubled each time
LONGEST_PAUSE = 15.0


def ask(
    request: httpx.Request, *, deadline: float, timeout: float, now: Callable[[], float] = time.monotonic
) -> Flow[httpx.Response]:
    """Sends a request until it is answered. Returns the answer, whatever it says.

    `timeout` is in seconds for each step of one try (connecting, sending, a read), `deadline` for all tries.
    Raises Unavailable or OverLimit where the next try would come after the deadline.
    """
    end = now() + deadline
    number = 0
    while True:
        left = max(end - now(), 0.001)
        request.extensions["timeout"] = httpx.Timeout(min(timeout, left)).as_dict()
        outcome = yield request
        if isinstance(outcome, httpx.Response) and outcome.status_code not in AGAIN:
            return outcome
        pause = pause_before_next(number, outcome)
        if now() + pause >= end:
            raise gave_up(outcome, deadline)
        yield pause
        number += 1


def pause_before_next(number: int, outcome: Outcome) -> float:
    """Returns the seconds to wait after try `number` (0 is the first). Clients that failed together do not come back
    together; none comes before the answer's Retry-After.
    """
    pause = min(FIRST_PAUSE * 2.0 ** min(number, 20), LONGEST_PAUSE) * random.uniform(0.5, 1)
    wanted = retry_after(outcome) if isinstance(outcome, httpx.Response) else 0.0
    return wanted + pause


def retry_after(answer: httpx.Response) -> float:
    """Returns the seconds in an answer's Retry-After, which may be a number or a date; 0 where there is neither."""
    value = answer.headers.get("Retry-After", "")
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    return max((moment.astimezone(UTC) - datetime.now(UTC)).total_seconds(), 0.0)


def gave_up(outcome: Outcome, deadline: float) -> Unavailable:
    """Returns the error that says why the last try failed."""
    if not isinstance(outcome, httpx.Response):
        why = f"{outcome.__class__.__name__} {outcome}".strip()
        return Unavailable(f"No answer within {deadline:g} s: {why}")
    why = f"No answer within {deadline:g} s but {outcome.status_code}: {outcome.text[:500]}"
    return OverLimit(why) if outcome.status_code == 429 else Unavailable(why)
