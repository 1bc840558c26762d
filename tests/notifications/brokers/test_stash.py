"""What a consumer holds: records in turns while it reads ahead, and offsets that never pass what is held."""

from __future__ import annotations

from collections import defaultdict
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.brokers import stash as stash_module
from notifications.brokers.base import POLL_BYTES, Record
from notifications.brokers.passed import Passed
from notifications.brokers.stash import Stash
from notifications.brokers.turns import Turns, client_of
from tests.notifications.rows import message

MOST = 5


def record(offset: int, client: str = "a", receiver: str = "", partition: int = 0) -> Record:
    submitted = message(client=client, receiver=f"{receiver or offset}@example.com")
    return Record("email", partition, offset, submitted.to_record(), "", key=submitted.receiver_hash.encode())


def filled(*records: Record) -> Stash:
    stash = Stash(MOST)
    stash.looks_past = True
    for one in records:
        stash.add(one)
    return stash


def offsets(records: list[Record]) -> list[int]:
    return [one.offset for one in records]


def test_each_client_has_its_share_of_what_is_taken() -> None:
    stash = filled(*(record(n, "a") for n in range(20)), record(20, "b"), *(record(21 + n, "c") for n in range(3)))
    stash.line_up()
    assert offsets(stash.take(8)) == [0, 20, 21, 1, 22, 2, 23, 3]
    assert offsets(stash.take(100)) == list(range(4, 20))


def test_who_comes_later_waits_for_one_of_every_other_client_at_most() -> None:
    stash = filled(*(record(n, "a") for n in range(20)), *(record(20 + n, "b") for n in range(20)))
    stash.line_up()
    stash.take(20)
    for number in range(40, 60):
        stash.add(record(number, "c"))
    stash.line_up()
    assert offsets(stash.take(6)) in ([10, 30, 40, 11, 31, 41], [40, 10, 30, 41, 11, 31]), "nor does it save up turns"


def test_names_do_not_fill_the_memory() -> None:
    turns = Turns()
    for number in range(200):
        one = record(number, f"c{number % 7}", f"r{number % 30}")
        turns.add(one, client_of(one))
    for _ in range(200):
        turns.take()
    assert (turns._last_of_client, turns._last_of_receiver, turns.count_of, turns.bytes_of) == ({}, {}, {}, {})
    assert turns.size == 0


def test_a_client_alone_has_its_records_in_the_order_read() -> None:
    stash = filled(*(record(n, receiver=str(n % 3)) for n in range(20)))
    stash.line_up()
    assert offsets(stash.take(20)) == list(range(20))


def test_without_lining_up_nobody_overtakes_anybody() -> None:
    stash = filled(*(record(n, "a") for n in range(20)), record(20, "b"))
    assert offsets(stash.take(21)) == list(range(21))


def test_two_clients_records_to_one_receiver_stay_in_order() -> None:
    stash = filled(*(record(n, "a") for n in range(9)), record(9, "a", "ann"), record(10, "b", "ann"), record(11, "b"))
    stash.line_up()
    taken = offsets(stash.take(12))
    assert taken.index(9) < taken.index(10)
    assert taken.index(11) < 5, "only that receiver's must wait"


def test_an_offset_is_not_committed_while_an_older_record_is_held() -> None:
    stash = filled(record(0), record(1), record(2), record(3, "b"), record(7, "b", partition=1))
    stash.line_up()
    taken = stash.take(3)
    assert offsets(taken) == [0, 3, 1]
    assert stash.read_until(taken) == {("email", 0): 2}
    assert stash.read_until(stash.take(2)) == {("email", 0): 4, ("email", 1): 8}


def test_what_was_taken_of_partitions_given_up_since_is_not_committed() -> None:
    """Older records of them were held, and are nobody's now: the next owner must read them."""
    stash = filled(record(0), record(1), record(2, "b"))
    stash.line_up()
    taken = stash.take(2)
    stash.clear()
    assert stash.read_until(taken) == {}


def test_what_cannot_be_read_has_its_turn_too() -> None:
    stash = filled(*(record(n) for n in range(9)), Record("email", 0, 9, b"\xff", ""), Record("email", 0, 10, None, ""))
    stash.line_up()
    assert offsets(stash.take(4)) == [0, 9, 1, 10]


def test_ahead_it_holds_more_records_but_a_bounded_number_of_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stash_module, "LOOK_AHEAD", 40)
    stash = filled(*(record(n) for n in range(MOST)))
    full, free = [stash.is_full], [stash.free(MOST), stash.free(0, ahead=True)]
    stash.line_up()
    full.append(stash.is_full)
    stash.add(Record("email", 0, 99, b"x" * stash_module.LOOK_AHEAD_BYTES, ""))
    full.append(stash.is_full)
    free.append(stash.free(0, ahead=True))
    assert full == [True, False, True]
    assert free == [0, 40 - MOST, 0]


def test_no_client_fills_it_and_what_is_passed_over_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 100 records of one client half as many are kept as fit in, and those of others behind them are found."""
    monkeypatch.setattr(stash_module, "LOOK_AHEAD", 40)
    log = [*(record(n, "a") for n in range(100)), record(100, "b", "ann"), record(101, "b", "99"), record(102, "b")]
    stash = filled(*log)
    stash.line_up()
    assert len(stash) == 22, "20 of the first client, and two of the other's"
    taken = stash.take(4)
    assert offsets(taken) == [0, 100, 1, 102], "one would overtake what was passed over for its receiver"
    assert stash.read_until(taken) == {("email", 0): 2}
    taken = stash.take(18)
    assert stash.read_until(taken) == stash.passed_over == {("email", 0): 20}
    assert stash.is_short and stash.is_spent
    stash.go_back()
    assert stash.read_until(taken) == {("email", 0): 20}, "nothing of it is here yet"
    for one in log[20:]:
        stash.add(one)
        stash.line_up()
    assert offsets(stash.take(100)) == list(range(20, 40))


def test_who_goes_back_twice_reads_again_as_far_as_at_first() -> None:
    """Otherwise a commit would pass records that were never kept."""
    passed, partition = Passed(), ("email", 0)
    for offset in range(5):
        passed.see(record(offset))
    passed.pass_over(record(1))
    passed.go_back()
    passed.see(record(1))
    passed.pass_over(record(1))
    passed.go_back()
    for offset in (1, 2, 3):
        passed.see(record(offset))
    assert list(passed.bounds(partition)) == [4]
    passed.see(record(4))
    assert list(passed.bounds(partition)) == []


def test_until_it_looks_past_nothing_is_passed_over_and_half_is_left_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stash_module, "LOOK_AHEAD", 40)
    stash = filled(*(record(n) for n in range(MOST)))
    stash.looks_past = False
    assert stash.free(0, ahead=True) == 20 - MOST
    for number in range(MOST, 40):
        stash.add(record(number))
    stash.line_up()
    assert (len(stash), stash.is_full, stash.passed_over) == (40, True, {})


def test_large_records_are_passed_over_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stash_module, "LOOK_AHEAD_BYTES", 10_000)
    large = b'{"client": "a", "message": "' + b"x" * 970 + b'"}'
    stash = filled(*(Record("email", 0, n, large, "", key=b"%d" % n) for n in range(20)), record(20, "b"))
    stash.line_up()
    assert offsets(stash.take(100)) == [0, 20, 1, 2, 3, 4]


def test_records_come_out_until_they_are_enough_bytes() -> None:
    stash = filled(*(Record("email", 0, n, b"x" * (POLL_BYTES // 2), "") for n in range(5)))
    assert [len(stash.take(10)) for _ in range(3)] == [2, 2, 1]
    assert stash.is_low


CLIENTS = st.sampled_from(["a", "a", "a", "b", "c"])
PARTITIONS = {"ann": 0, "bob": 1, "cyd": 0}  # of receivers
LOG = st.lists(st.tuples(CLIENTS, st.sampled_from(sorted(PARTITIONS))), min_size=10, max_size=40)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("fetch"), st.integers(1, 40)),
        st.tuples(st.just("take"), st.integers(1, 3)),
        st.tuples(st.just("take ahead"), st.integers(1, 4)),
        st.tuples(st.just("lose"), st.integers(0, 3)),
        st.tuples(st.just("go back"), st.just(0)),
    ),
    min_size=10,
    max_size=60,
)


class Reader:
    """A consumer over a log of partitions, and a ledger that claims each record once, as a sender does."""

    def __init__(self, log: list[tuple[str, str]]) -> None:
        self.partitions: dict[int, list[Record]] = {0: [], 1: []}
        self.receivers: dict[tuple[int, int], str] = {}
        for client, receiver in log:
            partition = PARTITIONS[receiver]
            held = self.partitions[partition]
            self.receivers[partition, len(held)] = receiver
            held.append(record(len(held), client, receiver, partition))
        self.stash = Stash(MOST)
        self.stash.looks_past = True
        self.committed = {0: 0, 1: 0}
        self.position = {0: 0, 1: 0}
        self.claimed: list[tuple[int, int]] = []

    def fetch(self, count: int) -> None:
        for partition, held in self.partitions.items():
            start = self.position[partition]
            for one in held[start : start + count]:
                self.stash.add(one)
                self.position[partition] += 1
        if self.stash.must_line_up:
            self.stash.line_up()

    def take(self, limit: int, *, lost: bool = False) -> None:
        """With `lost` the partitions are given up and given back between the claim and the commit."""
        taken = self.stash.take(limit)
        self.claimed += [place for one in taken if (place := (one.partition, one.offset)) not in self.claimed]
        if lost:
            self.stash.clear()
            self.position = dict(self.committed)
        for (_, partition), offset in self.stash.read_until(taken).items():
            assert offset >= self.committed[partition], "it never goes back"
            self.committed[partition] = offset
        unclaimed = set(self.receivers) - set(self.claimed)
        assert not [place for place in unclaimed if place[1] < self.committed[place[0]]], "nothing is passed over"

    def go_back(self) -> None:
        self.position |= {partition: offset for (_, partition), offset in self.stash.passed_over.items()}
        self.stash.go_back()

    def in_order(self) -> dict[str, list[int]]:
        found: defaultdict[str, list[int]] = defaultdict(list)
        for place in self.claimed:
            found[self.receivers[place]].append(place[1])
        return found


@mock.patch.object(stash_module, "LOOK_AHEAD", 8)
@given(LOG, STEPS)
def test_whatever_happens_each_receivers_records_are_claimed_in_order_and_none_is_lost(
    log: list[tuple[str, str]], steps: list[tuple[str, int]]
) -> None:
    reader = Reader(log)
    for what, count in steps:
        if what == "fetch":
            reader.fetch(count)
            continue
        if what == "go back":
            reader.go_back()
            continue
        if what == "take ahead":
            reader.stash.line_up()
        reader.take(count, lost=what == "lose")
    for _ in log:
        reader.fetch(len(log))
        reader.take(2 * len(log))
        reader.go_back()
    assert len(reader.claimed) == len(log), "all are claimed"
    assert reader.committed == {partition: len(held) for partition, held in reader.partitions.items()}
    assert all(found == sorted(found) for found in reader.in_order().values())
