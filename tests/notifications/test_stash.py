"""What a consumer has fetched and was not yet asked for."""

from __future__ import annotations

from notifications.broker import POLL_BYTES, Record
from notifications.stash import Stash


def filled(*sizes: int) -> Stash:
    stash = Stash(8)
    for offset, size in enumerate(sizes):
        stash.add(Record("topic", 0, offset, b"x" * size, ""))
    return stash


def test_records_come_out_in_order_until_they_are_enough_bytes() -> None:
    stash = filled(*[POLL_BYTES // 3] * 6)
    assert [[record.offset for record in stash.take(10)] for _ in range(3)] == [[0, 1, 2, 3], [4, 5], []]
    assert [record.offset for record in filled(1, 1, 1).take(2)] == [0, 1]
    assert [record.offset for record in filled(3 * POLL_BYTES, 1).take(2)] == [0], "one is taken, however large"


def test_it_is_full_of_records_or_of_bytes() -> None:
    assert filled(*[1] * 8).is_full
    assert filled(POLL_BYTES).is_full
    assert not filled(*[1] * 7).is_full
    assert filled(1).is_low
    assert not filled(POLL_BYTES // 4).is_low
    taken = filled(POLL_BYTES)
    taken.take(1)
    assert taken.is_low


def test_large_records_are_not_fetched_by_the_hundred() -> None:
    assert filled(400).room(500) == 499
    assert filled(POLL_BYTES // 4).room(500) == 3
    assert filled(2 * POLL_BYTES).room(500) == 0
