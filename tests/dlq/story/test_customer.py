"""What a customer is answered, in every language, for every status and cause."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dlq.story.customer import FOLDER, answer_for, languages
from dlq.story.situation import Situation
from notifications.channels.outcomes import Cause
from notifications.messages.words import Reason, Status

NOW = datetime(2026, 11, 26, 3, 50, tzinfo=UTC)
THEN = datetime(2026, 11, 26, 2, 52, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
FORBIDDEN = re.compile(r"smtp|twilio|postmark|anymail|kafka|sandbox|webhook|[{}]|\b[245]\d\d\b", re.IGNORECASE)


def stands(status: str, cause: str = "", **also: Any) -> Situation:
    given: dict[str, Any] = {"channel": "EMAIL", "accepted_at": THEN, "ended_at": THEN, "now": NOW} | also
    return Situation(status=status, cause=cause, **given)


def test_there_are_two_languages() -> None:
    assert languages() == {"de": "Deutsch", "en": "English"}


@pytest.mark.parametrize("language", ["de", "en"])
def test_no_file_lacks_a_text(language: str) -> None:
    """For a cause that is none of today's there is another text to fall back on, which would hide a missing one."""
    texts = tomllib.loads((FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    assert set(texts["dead"]) == {cause.value for cause in Cause}
    assert {status.value for status in Status} <= set(texts)
    other = tomllib.loads((FOLDER / "en.toml").read_text(encoding="utf-8"))
    assert set(texts) == set(other)
    assert set(texts["what"]) == set(other["what"])


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("channel", ["EMAIL", "SLACK", "SMS", "PUSH"])
def test_every_status_and_cause_has_a_text_without_codes(language: str, channel: str) -> None:
    codes = {word.value for word in (*Cause, *Reason, *Status) if "-" in word.value}
    texts: dict[str, set[str]] = {}
    for status, cause, reason, out in product(("", *Status), ("", *Cause), ("", *Reason), (None, THEN)):
        s = stands(status, cause, channel=channel, reason=reason, out_since=out, due_at=NOW)
        text = answer_for(s, language, zone=BERLIN, name="Anna Berg", subject="Your invoice")
        assert not FORBIDDEN.search(text), text
        assert not [code for code in codes if code in text], text
        assert "Anna Berg" in text
        assert "Your invoice" in text
        assert re.search(r"[.!?]$", text), text
        texts.setdefault(cause, set()).add(text)
    assert all(len(of_cause) >= 10 for of_cause in texts.values())


def test_a_cause_has_a_text_of_its_own() -> None:
    by_cause = [answer_for(stands(Status.DEAD, cause), "en", zone=BERLIN) for cause in Cause]
    assert "your mailbox was full" in by_cause[list(Cause).index(Cause.MAILBOX_FULL)]
    assert len(set(by_cause)) >= 12


def test_the_time_is_the_customers_and_the_words_are_in_one_language() -> None:
    s = stands(Status.DEAD, Cause.MAILBOX_FULL, expires_at=datetime(2026, 11, 26, 3, 22, tzinfo=UTC))
    assert answer_for(s, "en", zone=BERLIN, name="Anna", subject="Your new password") == (
        "Hello Anna,\n\nOur e-mail “Your new password” could not be delivered on 26 November 2026, 03:52: your mailbox "
        "was full. If you still need it, please request a new one."
    )
    s = stands(Status.SENT, accepted_at=datetime(2026, 3, 1, tzinfo=UTC), ended_at=datetime(2026, 3, 1, tzinfo=UTC))
    assert answer_for(s, "de", zone=BERLIN).startswith("Guten Tag,\n\nUnsere E-Mail wurde am 1. März 2026, 01:00 ver")


def test_a_value_is_never_taken_for_a_place() -> None:
    text = answer_for(stands(Status.SENT), "en", zone=UTC, name="{what}", subject="{when}")
    assert text.startswith("Hello {what},\n\nOur e-mail “{when}” went out")


def test_a_language_without_a_file_is_a_key_error() -> None:
    for odd in ("fr", "../de", ""):
        with pytest.raises(KeyError):
            answer_for(stands(Status.SENT), odd, zone=UTC)
