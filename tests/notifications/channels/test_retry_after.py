"""Retry-After: seconds or a date, at most a day, and never a failure."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.statuses import retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        (" 1.5 ", 1.5),
        ("999999999", 86_400.0),
        ("", None),
        (None, None),
        ("soon", None),
        ("-1", None),
    ],
)
def test_retry_after_in_seconds(value: str | None, seconds: float | None) -> None:
    assert retry_after(value) == seconds


def test_retry_after_as_a_date() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)
    wait = retry_after(format_datetime(moment, usegmt=True))
    assert wait is not None
    assert 0 < wait <= 100
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert retry_after("Wed, 99 Oct 2015 07:28:00 GMT") is None
    assert retry_after("Wed, 21 Oct 2015 07:28:00 +99999999999999999999") is None
    assert retry_after("Wed, 21 Oct 99999999999 07:28:00 GMT") is None


@given(st.text(alphabet="0123456789 :,+-.WedOctGMTZ()", max_size=80) | st.text(max_size=80))
def test_no_retry_after_makes_it_fail(value: str) -> None:
    wait = retry_after(value)
    assert wait is None or 0 <= wait <= 86_400


@pytest.mark.parametrize(
    "value", ["9" * 60_000, "1." * 30_000, "Wed, " * 10_000, "1 Jan 0001 00:00:00 +9999", " " * 60_000]
)
def test_a_long_retry_after_costs_nothing(value: str) -> None:
    before = time.thread_time()
    assert retry_after(value) in {None, 0.0, 86_400.0}
    assert time.thread_time() - before < 0.5
