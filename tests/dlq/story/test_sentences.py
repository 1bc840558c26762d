"""The answer with which a page begins, and the advice below it: for every status, reason, cause and state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from dlq.story.advice import Advice, advise
from dlq.story.explanations import Step
from dlq.story.sentences import answer, next_step
from dlq.story.situation import Situation, State
from notifications.channels.outcomes import Cause
from notifications.messages.words import Is, Reason, Status, statuses

NOW = datetime(2026, 11, 26, 3, 50, tzinfo=UTC)


def at(time: str, day: int = 26) -> datetime:
    hour, minute = time.split(":")
    return datetime(2026, 11, day, int(hour), int(minute), tzinfo=UTC)


def stands(status: str, cause: str = "", **also: Any) -> Situation:
    given: dict[str, Any] = {"accepted_at": at("02:50"), "ended_at": at("02:52")} | also
    return Situation(now=NOW, channel="EMAIL", status=status, cause=cause, **given)


def dead(cause: Cause, **also: Any) -> Situation:
    return stands(Status.DEAD, cause, **({"state": State.OPEN, "died_at": at("02:52"), "deaths": 1} | also))


def test_nothing_is_promised_while_no_sender_runs() -> None:
    s = stands(Status.WAITING, Cause.TIMEOUT, reason=Reason.RETRY, due_at=at("04:05"), served=False)
    assert answer(s).endswith(" But no sender for E-mail is running: nothing goes out until one is started.")
    assert next_step(s) == "It goes out when a sender is started."
    assert advise(s).text == "Tell whoever runs this site that no sender for E-mail is running."


EXAMPLES = [
    (
        dead(Cause.MAILBOX_FULL, expires_at=at("03:22")),
        "Not delivered: the mailbox was full at 02:52. It expired at 03:22, so sending it again does not help.",
    ),
    (
        stands(Status.QUEUED, out_since=at("03:43")),
        (
            "E-mail is out of order since 03:43. This waits and goes out by itself; a sender tries again at least "
            "every 30 seconds."
        ),
    ),
    (
        stands(Status.WAITING, Cause.TIMEOUT, reason=Reason.OUTAGE, due_at=at("03:54"), out_since=at("03:43")),
        "E-mail is out of order since 03:43. This waits and goes out by itself; the next try is at 03:54.",
    ),
    (
        stands(Status.WAITING, reason=Reason.SCHEDULED, due_at=at("14:05")),
        "Not sent yet: it is scheduled, and goes out at 14:05.",
    ),
    (
        stands(Status.WAITING, reason=Reason.SCHEDULED, due_at=at("14:05"), paused="E-mail is paused by anna"),
        "Not sent yet: it is scheduled, and goes out at 14:05. But E-mail is paused by anna.",
    ),
    (
        stands(Status.WAITING, Cause.TIMEOUT, reason=Reason.RETRY, due_at=at("14:05")),
        "Not sent yet. It will be tried again at 14:05, because the provider did not answer in time at the last try.",
    ),
    (
        stands(Status.WAITING, Cause.TIMEOUT, reason=Reason.RETRY, due_at=at("14:05"), expires_at=at("14:05")),
        "Not sent yet: the provider did not answer in time at the last try. It expires at 14:05, before the next try.",
    ),
    (
        stands(Status.EXPIRED, Cause.MAILBOX_FULL, tries=3, expires_at=at("23:10", 25)),
        "Not sent: it expired on 25 Nov at 23:10 after 3 tries; at the last one the mailbox was full.",
    ),
    (
        stands(Status.SENT, provider="smtp", tries=1),
        "Handed to smtp at 02:52, after 1 try that failed; that is not yet the inbox.",
    ),
    (
        stands(
            Status.SENT, Cause.OUTCOME_UNKNOWN, verb="mark-sent", by="bert", changed_at=at("03:00"), why="she has it"
        ),
        "It arrived: bert marked it as sent at 03:00 (“she has it”).",
    ),
    (
        dead(Cause.CONNECTION, state=State.DISCARDED, by="bert", changed_at=at("03:00"), why="out of date"),
        (
            "Not delivered: we could not reach the provider. It was discarded by bert at 03:00 (“out of date”), and is "
            "not sent any more."
        ),
    ),
    (
        dead(Cause.UNKNOWN_RECEIVER, corrected_at=at("03:00"), by="bert"),
        (
            "Not delivered, as it was before bert corrected it at 03:00. What it says and to whom it goes now has not "
            "been tried yet."
        ),
    ),
    (
        stands(Status.QUEUED, state=State.REPLAYING, by="bert", changed_at=at("03:49"), run=3, run_state="paused"),
        (
            "Replayed by bert at 03:49 in run 3, which is paused. Accepted at 02:50. A sender takes it within seconds, "
            "or when those before it are sent."
        ),
    ),
    (
        stands(Status.WAITING, reason="paused", due_at=at("06:00")),
        "Not sent yet, because the person has paused everything. It goes out at 06:00.",
    ),
    (
        stands(Status.SUPPRESSED, reason="choice", ended_at=at("03:10")),
        "Not sent at 03:10: the person has switched it off.",
    ),
]


@pytest.mark.parametrize(("situation", "words"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_first_sentence(situation: Situation, words: str) -> None:
    assert answer(situation) == words


def every_situation() -> list[Situation]:
    reasons: dict[str, list[str]] = {Status.WAITING: ["", *Reason]}
    moments = (None, at("03:22"), at("14:05"))
    found = [
        stands(status, cause, reason=reason, state=state, expires_at=expires_at, due_at=due_at)
        for status in ("", *Status)
        for reason, cause in product(reasons.get(status, [""]), ("", *Cause, "something-older"))
        for state in ("", *State.values)
        for expires_at, due_at in product(moments, (None, at("14:05")))
    ]
    assert len(found) > 5_000
    return found


def test_no_situation_lacks_an_answer_or_an_advice() -> None:
    for s in every_situation():
        words, advice = answer(s), advise(s)
        assert words.endswith((".", ")")), s
        assert words[0].isupper(), s
        for odd in ("None", "  ", "..", " .", "–", "Its status is"):
            assert odd not in words, (words, s)
        assert s.state != State.OPEN or not s.status or s.status not in statuses(Is.STOPPED) or advice.text, s
        assert advice.main is None or advice.steps[0] is advice.main
        assert len(set(advice.steps)) == len(advice.steps)


def test_no_code_stands_in_an_answer() -> None:
    codes = {word.value for word in (*Cause, *Reason) if "-" in word.value}
    for s in every_situation():
        assert not [code for code in codes if code in answer(s) + advise(s).text], s


ADVICE = [
    (dead(Cause.OPTED_OUT), Step.DISCARD),
    (dead(Cause.MAILBOX_FULL), None),
    (dead(Cause.MAILBOX_FULL, died_at=at("02:52", 25)), Step.REPLAY),
    (dead(Cause.CONNECTION), Step.REPLAY),
    (dead(Cause.CONNECTION, out_since=at("03:43")), None),
    (dead(Cause.CONNECTION, repeats=2, deaths=2), Step.DISCARD),
    (dead(Cause.UNKNOWN_RECEIVER), Step.REDIRECT),
    (dead(Cause.REJECTED_CONTENT), Step.EDIT),
    (dead(Cause.UNKNOWN_RECEIVER, corrected_at=at("03:00")), Step.REPLAY),
    (dead(Cause.CONNECTION, expires_at=at("03:22")), Step.DISCARD),
    (stands(Status.HELD, Cause.OUTCOME_UNKNOWN, state=State.OPEN), Step.MARK_SENT),
    (stands("", Cause.UNDECODABLE, state=State.OPEN), Step.CORRECT),
    (stands(Status.WAITING, Cause.TIMEOUT, reason=Reason.RETRY), None),
    (stands(Status.SENT), None),
]


@pytest.mark.parametrize(("situation", "main"), ADVICE, ids=range(len(ADVICE)))
def test_the_main_button_is_the_advice(situation: Situation, main: Step | None) -> None:
    assert advise(situation).main == main


def test_every_step_that_is_possible_has_a_button() -> None:
    assert advise(dead(Cause.OPTED_OUT)) == Advice(
        advise(dead(Cause.OPTED_OUT)).text, Step.DISCARD, (Step.REPLAY, Step.REDIRECT, Step.EDIT)
    )
    assert advise(stands(Status.WAITING, reason=Reason.RETRY)).steps == (Step.TRY_NOW,)
    assert advise(stands(Status.WAITING, reason=Reason.SCHEDULED)).steps == (), "the claim would put it off again"
    assert advise(dead(Cause.BUG, state=State.DISCARDED)).steps == ()


def test_the_next_step_has_its_time() -> None:
    assert (
        next_step(stands(Status.WAITING, reason=Reason.RETRY, due_at=at("14:05"))) == "It will be tried again at 14:05."
    )
    assert next_step(stands(Status.WAITING, reason=Reason.SCHEDULED, due_at=at("14:05"))) == "It goes out at 14:05."
    assert next_step(stands(Status.WAITING, due_at=NOW - timedelta(1))) == "It will be tried again within seconds."
    assert next_step(stands(Status.SENT)) == ""
