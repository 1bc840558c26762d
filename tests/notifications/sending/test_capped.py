"""Rate limits for a person, with a database: places are taken at the claim, and count for what is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from notifications.channels.outcomes import Cause, Outcome, SendError
from notifications.ledger import verdicts
from notifications.ledger.claim import claim
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, settle
from notifications.ledger.verdicts import Verdict
from notifications.messages.words import Reason, Status
from notifications.models import Attempt, Category, Notification
from notifications.sending.deciding import Deciding
from notifications.sending.gates import Gates, Later
from project.database.dialects import clock
from tests.notifications.rows import LETTERS, claimed, ids, in_threads, incoming, message_of, row
from users.recipients import caps
from users.recipients.caps import Key
from users.recipients.category_rules import Cap
from users.recipients.known import Known
from users.recipients.models import CapPlace, PersonPreferences
from users.recipients.person import Place

pytestmark = pytest.mark.django_db(transaction=True)

KEY = Key("ann", "birthdays")
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


def claimed_through(gate: Deciding) -> Claimed:
    """A row of the ledger that the gate has let go."""
    queued = row(user="ann", category="birthdays")
    passage = Gates("EMAIL", [gate], LETTERS)
    [mine] = claim([incoming(message_of(queued))], owner="a", lease=60, hooks=NO_HOOKS, gate=passage.let_through)
    return mine


def places() -> list[Place]:
    """What is taken of Ann's limit."""
    return caps.look_at_places({KEY: Cap(3, 3600)})[KEY]


def failed(error: SendError) -> Verdict:
    return verdicts.failed(error, attempts=0, hold=False, schedule=(1.0,))


def test_of_a_batch_so_many_go_and_the_others_wait_for_the_next_place(gate: Deciding) -> None:
    go, later = ask(gate, birthdays(10))
    assert ids(go) == ids(birthdays(3))
    assert {each.reason for each in later} == {Reason.CAPPED}
    assert CapPlace.objects.filter(person="ann", scope="birthdays").count() == 3
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


def test_a_limit_of_a_channel_counts_over_its_categories(gate: Deciding) -> None:
    document = '{"channel_caps": {"EMAIL": {"count": 1, "seconds": 3600}}}'
    PersonPreferences.objects.create(username="ann", document=document)
    gate._known.refresh()
    first, second = claimed(1, user="ann", category="birthdays"), claimed(2, user="ann", category="default")
    go, later = ask(gate, [first, second])
    assert (ids(go), ids([each.row for each in later])) == (ids([first]), ids([second]))
    assert sorted(CapPlace.objects.values_list("scope", flat=True)) == ["EMAIL:", "birthdays"]


def test_a_row_that_another_rule_keeps_back_takes_no_place_and_looks_for_none(gate: Deciding) -> None:
    PersonPreferences.objects.create(username="ann", document='{"all_off_at": "2026-01-01T00:00:00Z"}')
    gate._known.refresh()
    with CaptureQueriesContext(connection) as queries:
        assert ask(gate, birthdays(3)) == ([], [])
    assert not [query for query in queries.captured_queries if "capplace" in query["sql"]]


@pytest.mark.parametrize(
    ("verdict", "counts"),
    [
        (SENT, True),
        (failed(UNCERTAIN), True),
        (failed(CERTAIN), False),
        (verdicts.expired(), False),
        (verdicts.put_back(Reason.HANDED_BACK), False),
    ],
    ids=["sent", "uncertain", "failed", "expired", "handed back"],
)
def test_a_place_counts_from_the_end_of_what_may_have_arrived_and_is_free_otherwise(
    gate: Deciding, verdict: Verdict, counts: bool
) -> None:
    mine = claimed_through(gate)
    assert places() == [Place(mine.id, None)]
    CapPlace.objects.update(at=F("at") - timedelta(minutes=1))  # a long send
    settle([Settlement(mine, verdict, "EMAIL")], hooks=LETTERS)
    assert [place.at is not None for place in places()] == [True] * counts
    assert all(place.at and place.at > CapPlace.objects.get().at for place in places())


@pytest.mark.parametrize("verdict", [failed(CERTAIN), verdicts.put_back(Reason.HANDED_BACK)], ids=["failed", "back"])
def test_a_place_counts_after_an_earlier_attempt_whose_outcome_is_unknown(gate: Deciding, verdict: Verdict) -> None:
    mine, unknown = claimed_through(gate), {"outcome": Outcome.UNCERTAIN, "cause": Cause.TIMEOUT}
    Attempt.objects.create(notification_id=mine.id, generation=0, number=0, at=clock(), error="", **unknown)
    settle([Settlement(mine, verdict, "EMAIL")], hooks=LETTERS)
    assert [place.at is not None for place in places()] == [True]


def test_a_result_that_comes_too_late_gives_no_place_back(gate: Deciding) -> None:
    mine = claimed_through(gate)
    Notification.objects.update(claims=2)  # another sender has it
    settle([Settlement(mine, failed(CERTAIN), "EMAIL")], hooks=LETTERS)
    assert places() == [Place(mine.id, None)]


def test_a_place_whose_row_the_ledger_has_no_longer_counts_from_its_claim(gate: Deciding) -> None:
    mine = claimed_through(gate)
    settle([Settlement(mine, SENT, "EMAIL")], hooks=LETTERS)
    Notification.objects.all().delete()
    assert places() == [Place(mine.id, CapPlace.objects.get().at)]


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
            for each in go:
                row(Status.SENT, id=each.id, settled_at=clock())
            gone.extend(ids(go))
            waiting = [number for number in waiting if UUID(int=number) not in gone]

    in_threads(*(partial(send, first) for first in range(4)))
    kept = sorted(at for at in Notification.objects.values_list("settled_at", flat=True) if at)
    assert len(kept) == len(gone) >= 12
    assert len(set(gone)) == len(gone)
    assert all(fourth - first >= timedelta(seconds=1) for first, fourth in zip(kept, kept[3:], strict=False))
