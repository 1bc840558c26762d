"""Hot receivers: a few rows in memory, the others parked in the order accepted."""

from __future__ import annotations

import itertools

import pytest
from msgspec import structs

from notifications.ledger.rows import Claimed
from notifications.messages.words import Reason
from notifications.sending import parking
from notifications.sending.gates import Split
from notifications.sending.parking import CAP, CAP_OF_RETURNED, GRACE, LONGEST, THROTTLED_PACE, UNKNOWN_PACE, Parking
from tests.notifications.rows import claimed, in_threads


class Lot:
    """A Parking with a clock to turn, and rows that stay in memory until `served`."""

    def __init__(self) -> None:
        self.now = 100.0
        self.in_memory: dict[tuple[str, str], int] = {}
        self.parking = Parking(lambda *lane: self.in_memory.get(lane, 0), lambda: self.now)
        self._numbers = iter(range(10**6))

    def rows(self, count: int, receiver: str = "hot", **fields: str) -> list[Claimed]:
        """Rows of one claim."""
        numbers = [next(self._numbers) for _ in range(count)]
        return [claimed(number, receiver, owner=f"batch-{numbers[0]}", **fields) for number in numbers]

    def split(self, rows: list[Claimed]) -> tuple[list[Claimed], list[tuple[Claimed, float]]]:
        """(rows to send, [(row to park, seconds until it is due)])."""
        split = self.parking.split(rows)
        for row in split.go:
            lane = (row.priority, row.receiver_hash)
            self.in_memory[lane] = self.in_memory.get(lane, 0) + 1
        assert split.end == []
        return split.go, [(row, due_in) for row, _, due_in in split.later]

    def served(self) -> None:
        self.in_memory.clear()


@pytest.fixture
def lot() -> Lot:
    return Lot()


def test_eight_of_a_receiver_are_sent_and_the_rest_parked_in_order(lot: Lot) -> None:
    rows = lot.rows(20)
    send, park = lot.split(rows)
    assert send == rows[:CAP]
    assert [row for row, _ in park] == rows[CAP:]
    dues = [due for _, due in park]
    assert dues == sorted(set(dues)), "each is due after the one before"
    assert dues[0] == pytest.approx(CAP * UNKNOWN_PACE)


def test_rows_in_memory_count(lot: Lot) -> None:
    lot.split(lot.rows(5))
    send, park = lot.split(lot.rows(5))
    assert (len(send), len(park)) == (3, 2)


def test_other_receivers_and_the_other_priority_are_not_parked(lot: Lot) -> None:
    lot.split(lot.rows(30))
    send, park = lot.split([*lot.rows(CAP, "cold"), *lot.rows(CAP, priority="bulk")])
    assert (len(send), park) == (2 * CAP, [])


def test_newcomers_are_parked_behind_those_parked_although_there_is_room_again(lot: Lot) -> None:
    _, parked = lot.split(lot.rows(20))
    lot.served()
    send, park = lot.split(lot.rows(3))
    assert send == []
    assert park[0][1] > parked[-1][1]


def test_returned_rows_are_exempt_and_newcomers_still_wait_behind(lot: Lot) -> None:
    lot.split(lot.rows(20))
    lot.served()
    returned = lot.rows(12, reason=Reason.PARKED)
    newcomers = lot.rows(2)
    send, park = lot.split([*returned, *newcomers])
    assert send == returned
    assert [row for row, _ in park] == newcomers


def test_returned_rows_have_a_cap_too(lot: Lot) -> None:
    send, park = lot.split(lot.rows(CAP_OF_RETURNED + 5, reason=Reason.PARKED))
    assert (len(send), len(park)) == (CAP_OF_RETURNED, 5)


def test_the_pace_is_that_of_the_receiver(lot: Lot) -> None:
    lot.parking.observe("hot", 2.0)
    _, park = lot.split(lot.rows(11))
    assert [due for _, due in park] == pytest.approx([16.0, 18.0, 20.0])


def test_the_pace_follows_what_is_measured(lot: Lot) -> None:
    lot.parking.observe("hot", 10.0)
    for _ in range(50):
        lot.parking.observe("hot", 1.0)
    _, park = lot.split(lot.rows(10))
    assert park[1][1] - park[0][1] == pytest.approx(1.0, rel=0.01)


def test_no_row_is_parked_for_longer_than_five_minutes(lot: Lot) -> None:
    lot.parking.observe("hot", 30.0)
    _, park = lot.split(lot.rows(60))
    assert max(due for _, due in park) == LONGEST


def test_a_receiver_is_forgotten_some_time_after_its_last_parked_row_was_due(lot: Lot) -> None:
    _, park = lot.split(lot.rows(20))
    lot.served()
    lot.now += park[-1][1] + GRACE - 0.1
    assert lot.split(lot.rows(1))[0] == []
    lot.served()
    lot.now += GRACE + 1 + 2 * UNKNOWN_PACE
    assert lot.split(lot.rows(1))[1] == []


def test_paces_do_not_fill_the_memory(lot: Lot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "FORGET_OVER", 10)
    for number in range(100):
        lot.parking.observe(f"r{number}", 1.0)
    assert len(lot.parking._pace) <= 11


def test_the_two_consumers_of_a_channel_may_park_at_once(hasty_threads: None) -> None:
    """Each forgets while the other remembers."""
    now = iter(range(10**9))
    shared = Parking(lambda *_: CAP, lambda: float(next(now)))

    def consumer(priority: str) -> None:
        for number in range(400):
            rows = [claimed(n, f"r{number}-{n % 40}", priority=priority) for n in range(40)]
            shared.split(rows)

    in_threads(lambda: consumer("transactional"), lambda: consumer("bulk"))


def test_the_rows_of_a_throttled_receiver_wait_behind_the_first_and_come_back_spread(lot: Lot) -> None:
    throttled, *behind = lot.rows(8)
    newcomers = lot.rows(3)
    later = [*lot.parking.throttle(throttled, lot.now + 30.0, behind), *lot.parking.split(newcomers).later]
    assert [kept.row for kept in later] == [*behind, *newcomers]
    dues = [kept.due_in for kept in later]
    assert dues[0] >= 30.0
    assert min(second - first for first, second in itertools.pairwise(dues)) >= THROTTLED_PACE
    assert {kept.reason for kept in later} == {Reason.THROTTLED}
    assert lot.split(lot.rows(1, priority="bulk"))[0] == [], "the wait is the receiver's, whatever the priority"


def test_who_asked_for_a_rest_goes_first_although_it_was_noted_a_moment_after_the_answer(lot: Lot) -> None:
    throttled, *behind = lot.rows(8)
    due = lot.now + 30.0
    lot.now += 0.2
    later = lot.parking.throttle(throttled, due, behind)
    assert min(kept.due_in for kept in later) > 29.8
    lot.now = due
    assert lot.split([structs.replace(throttled, reason=Reason.THROTTLED)])[0]


def test_what_comes_back_goes_in_order_however_often_its_receiver_asks_for_a_rest(lot: Lot) -> None:
    """One send a second is allowed; every row is in the ledger until it is due, as the scheduler has it."""
    rows = lot.rows(30)
    ledger = dict.fromkeys((row.id.int for row in rows), lot.now)
    sent: list[int] = []
    asked, last, claims = 0, -1.0, itertools.count()
    while ledger:
        lot.now = max(lot.now, min(ledger.values()))
        due = [row for row in rows if ledger.get(row.id.int, lot.now + 1) <= lot.now]
        owner = f"claim-{next(claims)}"
        send, park = lot.split([structs.replace(row, owner=owner) for row in due])
        ledger |= {row.id.int: lot.now + due_in for row, due_in in park}
        while send:
            row, *send = send
            asked, lot.now = asked + 1, lot.now + 0.01
            if lot.now - last >= 1.0:
                last = lot.now
                sent.append(row.id.int)
                del ledger[row.id.int]
                lot.parking.observe("hot", 0.01)
                continue
            ledger[row.id.int] = lot.now + 1.1
            ledger |= {
                other.id.int: lot.now + due_in for other, _, due_in in lot.parking.throttle(row, lot.now + 1.1, send)
            }
            send = []
        lot.served()
        rows = [structs.replace(row, reason=Reason.THROTTLED) for row in rows]
    assert sent == [row.id.int for row in rows]
    assert asked <= 2 * len(rows)


def test_what_is_new_goes_behind_what_was_put_back_unsent(lot: Lot) -> None:
    (row,) = lot.rows(1)
    lot.parking.follow(row, 15.0)
    _, park = lot.split(lot.rows(1))
    assert park[0][1] > 15.0
    assert lot.split([structs.replace(row, reason=Reason.OUTAGE)])[0]


def test_a_try_that_was_rolled_back_is_decided_again_in_the_same_way(lot: Lot) -> None:
    """Neither are all of its rows parked behind themselves, nor is what comes next pushed back by each try."""
    rows = lot.rows(20)
    first = lot.parking.split(rows)
    for _ in range(5):
        lot.now += 1.0
        split = lot.parking.split(rows)
        assert split.go == first.go == rows[:CAP]
        assert [kept.row for kept in split.later] == rows[CAP:]
        assert [kept.due_in for kept in split.later] == pytest.approx([kept.due_in for kept in first.later])
    _, park = lot.split(lot.rows(1))
    assert park[0][1] == pytest.approx(first.later[-1].due_in + UNKNOWN_PACE), "it waits behind those of the last try"


def test_after_a_lost_answer_the_rows_go_that_were_let_go(lot: Lot) -> None:
    rows = lot.rows(14)
    first = lot.parking.split(rows)
    assert lot.parking.split(rows[:CAP]) == Split(rows[:CAP]), "the others wait in the ledger"
    assert lot.split(lot.rows(1))[1][0][1] > first.later[-1].due_in


def test_what_waited_while_the_answer_was_lost_may_come_back_in_the_repeated_claim(lot: Lot) -> None:
    rows = lot.rows(14)
    lot.parking.split(rows)
    lot.now += 60.0
    back = [structs.replace(row, claims=2, reason=Reason.PARKED) for row in rows[CAP:]]
    assert lot.parking.split([*rows[:CAP], *back]).go == [*rows[:CAP], *back]


def test_a_try_that_claims_more_than_the_one_before_lets_nothing_overtake(lot: Lot) -> None:
    rows = lot.rows(12)
    lot.parking.split(rows[:10])
    split = lot.parking.split(rows)
    assert split.go == rows[:CAP]
    assert [kept.row for kept in split.later] == rows[CAP:]
    dues = [kept.due_in for kept in split.later]
    assert dues == sorted(set(dues))
    assert lot.parking.split(rows) == split, "nor does the third try"


def test_the_other_priority_may_be_claimed_between_two_tries(lot: Lot) -> None:
    rows, others = lot.rows(20), lot.rows(20, priority="bulk")
    first = lot.parking.split(rows)
    lot.parking.split(others)
    assert lot.parking.split(rows).go == first.go


def test_a_long_rest_pushes_nobody_further_than_its_end_and_five_minutes(lot: Lot) -> None:
    throttled, *behind = lot.rows(1000)
    dues = [kept.due_in for kept in lot.parking.throttle(throttled, lot.now + 86_400.0, behind)]
    assert dues == sorted(dues)
    assert dues[-1] <= 86_400.0 + LONGEST


def test_lanes_do_not_fill_the_memory(lot: Lot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "FORGET_OVER", 10)
    for number in range(100):
        lot.parking.throttle(claimed(number, f"r{number}"), lot.now + 3600.0, [])
    lot.split([])
    assert len(lot.parking._lanes) <= 10
