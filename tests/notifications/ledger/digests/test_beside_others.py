"""One digest, or one member, that fails or is gone takes nothing of the others with it."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest

from notifications.channels.base import Outgoing
from notifications.channels.outcomes import Cause, SendError
from notifications.ledger import due
from notifications.messages.words import Reason, Status
from notifications.models import Digest, Notification
from project.operations import balance
from tests.notifications.ledger.digests.folding import (
    cancelled,
    close,
    come_due,
    folded,
    look,
    settled,
    standing,
    taken,
)
from tests.notifications.rows import Scripted, ago
from tests.notifications.running import Run
from tests.notifications.running import settled as have_become


def test_of_five_digests_the_one_that_fails_is_sent_again_alone(run: Run) -> None:
    """Elsewhere, one failure takes back that the others were sent, and they are sent without end."""
    users = ["ann", "bob", "carl", "dora", "emil"]
    ids = [id for user in users for id in folded(2, user=user, receiver=f"{user}@example.com")]
    close()
    sent = Notification.objects.exclude(id__in=ids)
    assert sent.count() == 5
    handed: list[str] = []

    def answer(notification: Outgoing) -> str:
        handed.append(notification.receiver)
        if handed.count("carl@example.com") == 1 and notification.receiver == "carl@example.com":
            raise SendError(Cause.PROVIDER_ERROR, "451 4.3.0 Try again later")
        return "x"

    run(Scripted(answer))
    _publish()
    have_become(Status.SENT, *sent.exclude(user="carl"))
    have_become(Status.WAITING, *sent.filter(user="carl"))
    sent.filter(user="carl").update(due_at=ago(1))
    _publish()
    have_become(Status.SENT, *sent)
    assert Counter(handed) == Counter({f"{user}@example.com": 1 + (user == "carl") for user in users})
    come_due()
    look()
    assert standing(ids) == {(Status.DIGESTED, "")}
    assert balance.take().off == []


@pytest.mark.parametrize("gone", [gone for count in (1, 2) for gone in combinations(range(3), count)])
def test_whichever_member_is_cancelled_the_others_go_out(gone: tuple[int, ...]) -> None:
    """Also the first, which began the digest."""
    ids = folded(3)
    assert {cancelled(ids[place]) for place in gone} == {Status.CANCELLED}
    close()
    (sent,) = taken()
    left = [place for place in range(3) if place not in gone]
    assert [line.removeprefix("- ") for line in sent.message.splitlines()] == [f"number {place}" for place in left]
    settled([sent])
    assert standing([ids[place] for place in gone]) == {(Status.CANCELLED, "")}
    ended = Status.DIGESTED if len(left) > 1 else Status.SENT
    assert standing([ids[place] for place in left]) == {(ended, "")}


def test_who_comes_while_a_digest_is_being_sent_waits_for_the_next_one() -> None:
    first = folded(2)
    close()
    sent = taken()
    late = folded(2)
    settled(sent)
    assert standing(first) == {(Status.DIGESTED, "")}
    assert standing(late) == {(Status.WAITING, Reason.DIGEST)}
    close()
    settled(taken())
    assert standing(late) == {(Status.DIGESTED, "")}
    assert sorted(Digest.objects.values_list("joined", flat=True)) == [2, 2]


def _publish() -> None:
    due.offer([each.message.id for each in due.take_due("scheduler", 100)])
