"""What is true of each status, and that it does not contradict itself."""

from __future__ import annotations

import pytest

from notifications.messages.words import TAKEN, Is, Reason, Status, Waits, listed, reasons, statuses


def test_every_word_fits_its_column() -> None:
    assert all(len(word) <= 16 for word in (*Status, *Reason))
    assert Status("dead") is Status.DEAD
    assert f"{Status.DEAD}" == "dead"


def test_a_reason_is_its_word_and_says_whether_somebody_wants_the_wait() -> None:
    assert Reason("scheduled") is Reason.SCHEDULED
    assert f"{Reason.SCHEDULED}" == "scheduled"
    assert {Reason.SCHEDULED, Reason.STOPPED} <= set(reasons(Waits.ON_PURPOSE))
    assert {Reason.RETRY, Reason.OUTAGE, Reason.THROTTLED}.isdisjoint(reasons(Waits.ON_PURPOSE))


@pytest.mark.parametrize("status", list(Status))
def test_what_is_true_of_a_status_does_not_contradict_itself(status: Status) -> None:
    assert not (Is.FINAL in status.traits and status.traits & (Is.DUE | Is.MAY_BE_GIVEN_UP))
    assert Is.STOPPED not in status.traits or Is.FINAL | Is.REPLAYABLE | Is.RARE in status.traits
    assert Is.DUE not in status.traits or Is.RARE in status.traits


def test_what_was_delivered_is_not_rare() -> None:
    assert Status.SENT not in statuses(Is.RARE)
    assert {Status.QUEUED, Status.SENDING}.isdisjoint(statuses(Is.RARE))


def test_a_claim_and_its_success_change_nothing_that_is_indexed() -> None:
    assert listed(Status.SENDING) is listed(Status.SENT) is None
    assert (listed(Status.QUEUED), listed(Status.QUEUED, leased=True)) == ("queued", TAKEN)
    assert all(listed(status) == status for status in statuses(Is.RARE))
