"""What keeps a receiver's order and is never idle while anything is ready: threads, and an event loop."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.services.waiting import wait_until
from notifications.ledger.rows import Claimed
from notifications.sending.loop import Loop
from notifications.sending.pool import BULK, TRANSACTIONAL, Pool
from notifications.sending.threads import Threads
from tests.notifications.rows import claimed

Opened = Callable[..., Pool]


def open_threads(at_once: int, send: Callable[[Claimed], None], on_exit: Callable[[], None]) -> Pool:
    return Threads(at_once, send, name="test", on_exit=on_exit)


def open_loop(at_once: int, send: Callable[[Claimed], None], on_exit: Callable[[], None]) -> Pool:
    """A loop whose sends wait in other threads, so that what is tested may block."""
    threads = ThreadPoolExecutor(at_once)

    async def send_in_thread(row: Claimed) -> None:
        await asyncio.get_running_loop().run_in_executor(threads, send, row)

    async def exit_and_close() -> None:
        on_exit()
        threads.shutdown(wait=False)

    return Loop(at_once, send_in_thread, name="test", on_exit=exit_and_close, on_death=pytest.fail)


@pytest.fixture(params=[open_threads, open_loop], ids=["threads", "loop"])
def open_pool(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Pools that are stopped at the end of the test."""
    pools: list[Pool] = []

    def opened(at_once: int, send: Callable[[Claimed], None], on_exit: Callable[[], None] = lambda: None) -> Pool:
        pool: Pool = request.param(at_once, send, on_exit)
        pools.append(pool)
        pool.start()
        return pool

    yield opened
    for pool in pools:
        pool.stop()
        assert pool.join(time.monotonic() + 30)


class Gate:
    """Sends that wait until they are let through; what was begun and what is done, in order."""

    def __init__(self) -> None:
        self.begun: list[Claimed] = []
        self.done: list[Claimed] = []
        self.open = threading.Event()

    def __call__(self, row: Claimed) -> None:
        self.begun.append(row)
        assert self.open.wait(30)
        self.done.append(row)


def test_a_receivers_rows_are_sent_one_after_the_other_in_order(open_pool: Opened) -> None:
    under_way: defaultdict[str, int] = defaultdict(int)
    seen: defaultdict[str, list[int]] = defaultdict(list)
    together: list[str] = []

    def send(row: Claimed) -> None:
        under_way[row.receiver_hash] += 1
        if under_way[row.receiver_hash] > 1:
            together.append(row.receiver_hash)
        seen[row.receiver_hash].append(row.id.int)
        time.sleep(random.random() / 2000)  # lets other threads in
        under_way[row.receiver_hash] -= 1

    pool = open_pool(8, send)
    rows = [claimed(number, f"r{number % 7}") for number in range(700)]
    for start in range(0, 700, 50):
        pool.add(rows[start : start + 50])
    wait_until(lambda: sum(map(len, seen.values())) == 700, what="all are sent")
    assert together == []
    for receiver, numbers in seen.items():
        assert numbers == sorted(numbers), receiver


def test_receivers_are_sent_to_in_parallel(open_pool: Opened) -> None:
    gate = Gate()
    pool = open_pool(6, gate)
    pool.add(claimed(number, f"r{number}") for number in range(6))
    wait_until(lambda: len(gate.begun) == 6, what="each thread has one")
    assert pool.in_flight() == 6
    gate.open.set()
    wait_until(lambda: pool.in_flight() == 0)


def test_a_slow_receiver_holds_one_thread_and_no_more(open_pool: Opened) -> None:
    """With hash lanes the receivers that share its lane would stand still."""
    gate = Gate()
    others: list[Claimed] = []
    pool = open_pool(2, lambda row: gate(row) if row.receiver_hash == "slow" else others.append(row))
    pool.add(claimed(number, "slow") for number in range(8))
    pool.add(claimed(100 + number, f"r{number}") for number in range(200))
    wait_until(lambda: len(others) == 200, what="all others are sent")
    assert len(gate.begun) == 1
    assert pool.lane_length(TRANSACTIONAL, "slow") == 8
    gate.open.set()
    wait_until(lambda: len(gate.done) == 8)


def test_rows_behind_slow_receivers_are_no_reason_to_claim_less(open_pool: Opened) -> None:
    """No free thread could take them: counted, a few receivers that hang would keep every thread idle."""
    gate = Gate()
    pool = open_pool(3, gate)
    pool.add(claimed(number, f"slow{number % 2}") for number in range(16))
    wait_until(lambda: len(gate.begun) == 2)
    assert pool.waiting(TRANSACTIONAL) == 0
    pool.add(claimed(100 + number, "slow0") for number in range(8))
    assert pool.waiting(TRANSACTIONAL) == 0
    gate.open.set()
    wait_until(lambda: len(gate.done) == 24)
    assert pool.waiting(TRANSACTIONAL) == 0


def test_transactional_goes_first(open_pool: Opened) -> None:
    gate = Gate()
    pool = open_pool(1, gate)
    pool.add([claimed(0, "first")])
    wait_until(lambda: gate.begun)
    pool.add(claimed(10 + number, f"b{number}", priority=BULK) for number in range(5))
    pool.add(claimed(20 + number, f"t{number}") for number in range(5))
    gate.open.set()
    wait_until(lambda: len(gate.done) == 11)
    assert [row.priority for row in gate.done] == [TRANSACTIONAL] * 6 + [BULK] * 5


@pytest.mark.parametrize(("threads", "bulk"), [(8, 6), (4, 3), (2, 1), (1, 1)])
def test_bulk_never_holds_more_than_three_quarters_of_the_threads(open_pool: Opened, threads: int, bulk: int) -> None:
    gate = Gate()
    pool = open_pool(threads, gate)
    pool.add(claimed(number, f"b{number}", priority=BULK) for number in range(20))
    wait_until(lambda: len(gate.begun) == bulk)
    if threads > bulk:
        pool.add(claimed(100 + number, f"t{number}") for number in range(threads))
        wait_until(lambda: len(gate.begun) == threads, what="the threads kept free took transactional rows")
        assert [row.priority for row in gate.begun] == [BULK] * bulk + [TRANSACTIONAL] * (threads - bulk)
    gate.open.set()
    wait_until(lambda: len(gate.done) == 20 + (threads if threads > bulk else 0))


def test_stop_gives_back_exactly_what_no_thread_had_taken(open_pool: Opened) -> None:
    gate = Gate()
    left: list[str] = []
    pool = open_pool(3, gate, lambda: left.append(threading.current_thread().name))
    rows = [claimed(number, f"r{number % 5}", priority=(TRANSACTIONAL, BULK)[number % 2]) for number in range(40)]
    pool.add(rows)
    wait_until(lambda: len(gate.begun) == 3)
    unsent = pool.stop()
    gate.open.set()
    assert pool.join(time.monotonic() + 30)
    assert len(gate.done) == 3
    assert {row.id for row in unsent}.isdisjoint(row.id for row in gate.done)
    assert {row.id for row in unsent} | {row.id for row in gate.done} == {row.id for row in rows}
    assert len(unsent) == 37
    assert len(left) == (3 if isinstance(pool, Threads) else 1), "each thread, or the loop, closes its connections"


def test_what_comes_after_stop_is_given_back(open_pool: Opened) -> None:
    """A consumer may have claimed while the sender was being stopped: nobody would ever take such rows."""
    sent: list[Claimed] = []
    pool = open_pool(2, sent.append)
    pool.stop()
    rows = [claimed(number) for number in range(3)]
    assert pool.add(rows) == rows
    assert pool.waiting(TRANSACTIONAL) == 0


def test_waiting_until_few_are_left_ends_when_threads_have_taken_enough(open_pool: Opened) -> None:
    gate = Gate()
    pool = open_pool(1, gate)
    pool.add(claimed(number, f"r{number}") for number in range(20))
    wait_until(lambda: gate.begun)
    assert pool.waiting(TRANSACTIONAL) == 19
    pool.wait_until_few(TRANSACTIONAL, 5, 0.01)
    assert pool.waiting(TRANSACTIONAL) == 19, "the timeout ended it"
    gate.open.set()
    pool.wait_until_few(TRANSACTIONAL, 5, 30)
    assert pool.waiting(TRANSACTIONAL) <= 5
    wait_until(lambda: len(gate.done) == 20)


def test_a_send_that_raises_does_not_end_its_thread(open_pool: Opened, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[Claimed] = []

    def send(row: Claimed) -> None:
        if row.id.int == 0:
            raise RuntimeError("a bug")
        sent.append(row)

    pool = open_pool(1, send)
    pool.add([claimed(0), claimed(1)])
    wait_until(lambda: len(sent) == 1)
    assert "a send raised" in caplog.text


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_lost_or_doubled_in_a_storm(open_pool: Opened, seed: int) -> None:
    """Rows of both priorities are added by two threads while others send; then it is stopped anywhere."""
    dice = random.Random(seed)
    sent: list[Claimed] = []
    pool = open_pool(dice.randint(1, 12), sent.append)
    given_back: list[Claimed] = []

    def feed(priority: str, first: int) -> None:
        for start in range(first, first + 1000, 20):
            rows = [claimed(number, f"r{number % 9}", priority=priority) for number in range(start, start + 20)]
            given_back.extend(pool.add(rows))

    feeders = [
        threading.Thread(target=feed, args=(priority, 1000 * place))
        for place, priority in enumerate((TRANSACTIONAL, BULK))
    ]
    for feeder in feeders:
        feeder.start()
    target = dice.randint(0, 1900)
    wait_until(lambda: len(sent) >= target)
    unsent = pool.stop()
    for feeder in feeders:
        feeder.join()
    assert pool.join(time.monotonic() + 30)
    everything = [row.id.int for row in (*sent, *unsent, *given_back)]
    assert sorted(everything) == list(range(2000))
    for priority in (TRANSACTIONAL, BULK):
        for receiver in range(9):
            numbers = [row.id.int for row in sent if row.priority == priority and row.receiver_hash == f"r{receiver}"]
            assert numbers == sorted(numbers)
