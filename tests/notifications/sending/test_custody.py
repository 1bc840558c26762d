"""Rows that were claimed and are not settled: known by their claim, whoever asks and however many at once."""

from __future__ import annotations

import time

from msgspec import structs

from notifications.sending.custody import Custody
from tests.notifications.rows import claimed, ids, in_threads


def custody(*, lease: float = 60.0, send_timeout: float = 20.0) -> Custody:
    return Custody(lease=lease, send_timeout=send_timeout)


def test_what_was_settled_under_an_older_claim_leaves_the_newer_in_custody() -> None:
    """Its lease had passed, and this process has claimed it again."""
    kept, old = custody(), claimed(1, claims=1)
    new = structs.replace(old, claims=2)
    kept.keep([old], time.monotonic())
    kept.keep([new], time.monotonic())
    kept.let_go([old])
    assert ids(kept.rows()) == [new.id]
    assert kept.may_hand_over(new)
    assert not kept.may_hand_over(old)
    kept.let_go([new])
    assert len(kept) == kept.bytes_of("EMAIL") == 0


def test_a_claim_is_known_by_what_it_says_and_not_by_the_object() -> None:
    kept, row = custody(), claimed(1)
    kept.keep([row], time.monotonic())
    assert kept.may_hand_over(structs.replace(row))
    kept.let_go([structs.replace(row)])
    assert len(kept) == 0


def test_a_send_must_end_within_the_lease_and_a_renewal_moves_it() -> None:
    kept, row = custody(), claimed(1)
    kept.keep([row], time.monotonic() - 41)
    assert not kept.may_hand_over(row)
    assert ids(kept.to_renew(after=15)) == [row.id]
    kept.renewed([row.id], time.monotonic())
    assert kept.may_hand_over(row)
    assert kept.to_renew(after=15) == []


def test_many_may_ask_while_rows_come_and_go(hasty_threads: None) -> None:
    kept = custody()
    gone: list[int] = []
    stays = [claimed(number) for number in range(100_000, 100_500)]
    kept.keep(stays, time.monotonic())

    def come_and_go(start: int) -> None:
        for number in range(start, start + 5000):
            row = claimed(number)
            kept.keep([row], time.monotonic())
            kept.let_go([row])
        gone.append(start)

    def ask() -> None:
        while len(gone) < 2:
            kept.rows()
            kept.to_renew(after=0.0)

    in_threads(ask, ask, lambda: come_and_go(0), lambda: come_and_go(10_000))
    kept.let_go(stays)
    assert len(kept) == kept.bytes_of("EMAIL") == 0
