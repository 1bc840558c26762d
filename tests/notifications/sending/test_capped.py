"""Rate limits for a person, with a database: places are taken at the claim, and kept by what is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from django.db import transaction

from notifications.channels.outcomes import Cause, SendError
from notifications.ledger import verdicts
from notifications.ledger.claim import claim
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, settle
from notifications.ledger.verdicts import Verdict
from notifications.messages.words import Reason
from notifications.models import Category, Notification
from notifications.sending.deciding import Deciding
from notifications.sending.gates import Gates, Later
from tests.notifications.rows import LETTERS, claimed, ids, in_threads, incoming, message_of, row
from users.recipients import caps
from users.recipients.known import Known
from users.recipients.models import CapPlace

pytestmark = pytest.mark.django_db(transaction=True)

SENT = verdicts.sent("x")
CERTAIN = SendError(Cause.PROVIDER_ERROR, "500")
UNCERTAIN = SendError(Cause.TIMEOUT, "no answer", uncertain=True)


@pytest.fixture
def gate() -> Deciding:
    Category.objects.create(name="birthdays", cap_count=3, cap_seconds=3600)
    known = Known()
    known.refresh()
    return Deciding("EMAIL", known)


def birthdays(count: int, first: int = 0) -> list[Claimed]:
    return [claimed(number, user="ann", category="birthdays") for number in range(first, first + count)]


def ask(gate: Deciding, rows: Sequence[Claimed]) -> tuple[list[Claimed], list[Later]]:
    with transaction.atomic():
        split = gate.split(list(rows))
    return split.go, split.later


def failed(error: SendError) -> Verdict:
    return verdicts.failed(error, attempts=0, hold=False, schedule=(1.0,))


def test_of_a_batch_so_many_go_and_the_others_wait_for_the_next_place(gate: Deciding) -> None:
    go, later = ask(gate, birthdays(10))
    assert ids(go) == ids(birthdays(3))
    assert all(one.is_capped for one in go)
    assert {each.reason for each in later} == {Reason.CAPPED}
    assert CapPlace.objects.filter(person="ann", scope="birthdays", is_open=True).count() == 3
    assert ask(gate, birthdays(5, first=20))[0] == []


def test_each_person_has_their_own_places_and_a_row_that_is_claimed_again_its_own(gate: Deciding) -> None:
    ask(gate, birthdays(3))
    other = claimed(50, user="bob", category="birthdays")
    go, later = ask(gate, [*birthdays(3), other])
    assert ids(go) == ids([*birthdays(3), other])
    assert not later


def test_a_mandatory_notification_takes_no_place(gate: Deciding) -> None:
    Category.objects.filter(name="birthdays").update(kind="mandatory")
    gate._known.refresh()
    assert len(ask(gate, birthdays(10))[0]) == 10
    assert not CapPlace.objects.exists()


@pytest.mark.parametrize(
    ("verdict", "kept"),
    [
        (SENT, True),
        (failed(UNCERTAIN), True),
        (failed(CERTAIN), False),
        (verdicts.expired(), False),
        (verdicts.put_back(Reason.HANDED_BACK), False),
    ],
    ids=["sent", "uncertain", "failed", "expired", "handed back"],
)
def test_a_place_is_kept_by_what_may_have_arrived_and_given_back_otherwise(
    gate: Deciding, verdict: Verdict, kept: bool
) -> None:
    queued = row(user="ann", category="birthdays")
    passage = Gates("EMAIL", [gate], LETTERS)
    [mine] = claim([incoming(message_of(queued))], owner="a", lease=60, hooks=NO_HOOKS, gate=passage.let_through)
    before = CapPlace.objects.get()
    settle([Settlement(mine, verdict, "EMAIL")], hooks=LETTERS)
    assert CapPlace.objects.filter(is_open=False, at__gte=before.at).exists() == kept
    assert CapPlace.objects.exists() == kept


@pytest.mark.parametrize("verdict", [failed(CERTAIN), verdicts.put_back(Reason.HANDED_BACK)], ids=["failed", "back"])
def test_a_place_is_kept_after_an_earlier_attempt_whose_outcome_is_unknown(gate: Deciding, verdict: Verdict) -> None:
    queued = row(user="ann", category="birthdays", uncertain_count=1)
    passage = Gates("EMAIL", [gate], LETTERS)
    [mine] = claim([incoming(message_of(queued))], owner="a", lease=60, hooks=NO_HOOKS, gate=passage.let_through)
    settle([Settlement(mine, verdict, "EMAIL")], hooks=LETTERS)
    assert not CapPlace.objects.get().is_open


def test_a_result_that_comes_too_late_gives_no_place_back(gate: Deciding) -> None:
    queued = row(user="ann", category="birthdays")
    passage = Gates("EMAIL", [gate], LETTERS)
    [mine] = claim([incoming(message_of(queued))], owner="a", lease=60, hooks=NO_HOOKS, gate=passage.let_through)
    Notification.objects.update(claims=2)  # another sender has it
    settle([Settlement(mine, failed(CERTAIN), "EMAIL")], hooks=LETTERS)
    assert CapPlace.objects.get().is_open


@pytest.mark.postgresql
def test_four_senders_let_no_more_than_the_cap_into_any_window(gate: Deciding) -> None:
    """Ten thousand wait for one person. Each sender claims a part of its own again and again, for some windows."""
    Category.objects.update(cap_seconds=1)
    gate._known.refresh()
    gone: list[UUID] = []

    def send(first: int) -> None:
        waiting = list(range(first, 10_000, 4))
        while len(gone) < 12:
            batch = [claimed(number, user="ann", category="birthdays") for number in waiting[:500]]
            go, later = ask(gate, batch)
            assert len(go) + len(later) == len(batch)
            with transaction.atomic():
                caps.settle(sent=ids(go), unsent=())
            gone.extend(ids(go))
            waiting = [number for number in waiting if UUID(int=number) not in gone]

    in_threads(*(partial(send, first) for first in range(4)))
    kept = sorted(CapPlace.objects.values_list("at", flat=True))
    assert len(kept) == len(gone) >= 12
    assert len(set(gone)) == len(gone)
    assert all(fourth - first >= timedelta(seconds=1) for first, fourth in zip(kept, kept[3:], strict=False))
