"""What a consumer has fetched and was not yet asked for: few records, and few bytes of them.

While a provider is slow it is more: the consumer reads ahead, so that one client's backlog does not hide what
others have sent since. Then records are taken in turns, and an offset is not to be committed while an older record
of its partition is still here. No client fills it: what goes beyond its share is passed over, and read again later.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence

from notifications.brokers.base import LOOK_AHEAD, POLL_BYTES, Record
from notifications.brokers.passed import Partition, Passed
from notifications.brokers.turns import Turns, client_of

LOOK_AHEAD_BYTES = 24 * 1024**2  # a sender has six consumers, and may have 512 MiB
LOOK_PAST = 100_000  # records passed over at a time; the hashes of their receivers take 7 MB at the most


class Stash:
    """Records in the order fetched, or in turns once they are lined up. Whoever fills it respects its bounds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self.looks_past = False  # whether it may begin to pass over; until then it reads ahead half as far
        self._forget()

    def _forget(self) -> None:
        self._records: deque[Record] = deque()  # younger than those lined up
        self._turns = Turns()
        self._passed = Passed()
        self._lined_up: dict[Partition, OrderedDict[int, None]] = {}  # offsets, in order
        self._ends: dict[Partition, int] = {}  # the offset after the last that was taken

    def __len__(self) -> int:
        return len(self._records) + len(self._turns)

    @property
    def is_full(self) -> bool:
        if self._turns:
            return len(self) >= LOOK_AHEAD or self._bytes >= LOOK_AHEAD_BYTES or self._passed.count >= LOOK_PAST
        return len(self) >= self._most or self._bytes >= POLL_BYTES

    @property
    def is_low(self) -> bool:
        if self._turns:
            is_free = len(self) < LOOK_AHEAD - self._most and self._bytes < LOOK_AHEAD_BYTES - POLL_BYTES
            return is_free and self._passed.count < LOOK_PAST
        return len(self) < self._most // 4 and self._bytes < POLL_BYTES // 4

    def free(self, limit: int, *, ahead: bool = False) -> int:
        """Returns how many more records it may take, if they are as large as those here on average.

        A poll for `limit` has no use for more, unless it reads ahead.
        """
        most, most_bytes = self._most_ahead if ahead else (limit, POLL_BYTES)
        average = self._bytes // len(self) if self else 0
        fit = max(0, most_bytes - self._bytes) // max(average, 1)
        return min(most - len(self), fit)

    @property
    def _most_ahead(self) -> tuple[int, int]:
        """Records and bytes. One client has half of both when its records begin to be passed over.

        Half of it is not full: a pause takes a second, in which a fast drain would empty the half.
        """
        part = 1 if self.looks_past or self._passed else 2
        return LOOK_AHEAD // part, LOOK_AHEAD_BYTES // part

    def add(self, record: Record) -> None:
        self._records.append(record)
        self._bytes += len(record.value or b"")

    def line_up(self) -> None:
        """Have all that is here taken in turns, without what goes beyond its client's share."""
        for record in self._records:
            if not self._passed.see(record):
                self._bytes -= len(record.value or b"")
            elif self._is_over(record, client := client_of(record)):
                self._bytes -= len(record.value or b"")
                self._passed.pass_over(record)
            else:
                self._turns.add(record, client)
                self._passed.keep(record)
                self._lined_up.setdefault((record.topic, record.partition), OrderedDict())[record.offset] = None
        self._records.clear()

    def _is_over(self, record: Record, client: str) -> bool:
        """Returns whether it is to be passed over: its client may have as much of the stash as it leaves free."""
        count, size = self._turns.count_of[client], self._turns.bytes_of[client]
        is_over = count >= LOOK_AHEAD - len(self._turns) or size >= LOOK_AHEAD_BYTES - self._turns.size
        if count and is_over and self.looks_past:
            self._passed.behind.add(client)
        return self._passed.must_wait(record, client)

    @property
    def must_line_up(self) -> bool:
        """Whether something was passed over, which nothing may overtake."""
        return bool(self._passed)

    @property
    def is_spent(self) -> bool:
        """Whether there is little left but what was passed over."""
        return bool(self._passed.first) and len(self) < self._most

    @property
    def is_short(self) -> bool:
        """Whether there is little left of a client of whom something was passed over."""
        return any(self._turns.count_of[client] < self._most for client in self._passed.behind)

    @property
    def passed_over(self) -> dict[Partition, int]:
        """The first record that was passed over of each partition, by its offset."""
        return self._passed.first

    def go_back(self) -> None:
        """What comes next was passed over: the partitions are read from there again."""
        self._passed.go_back()

    def take(self, limit: int) -> list[Record]:
        """Up to `limit` records, and no more once they have POLL_BYTES."""
        taken: list[Record] = []
        size = 0
        while self and len(taken) < limit and size < POLL_BYTES:
            taken.append(self._next())
            size += len(taken[-1].value or b"")
        self._bytes -= size
        return taken

    def _next(self) -> Record:
        record = self._turns.take() if self._turns else self._records.popleft()
        partition = (record.topic, record.partition)
        self._ends[partition] = max(self._ends.get(partition, 0), record.offset + 1)
        if (lined_up := self._lined_up.get(partition)) is not None:
            lined_up.pop(record.offset, None)
        return record

    def read_until(self, records: Sequence[Record]) -> dict[Partition, int]:
        """For each partition of these records, which were taken: the offset before which all were taken.

        Without the partitions that were given up since. What else was here of them has to be read again.
        """
        partitions = {(record.topic, record.partition) for record in records} & self._ends.keys()
        return {partition: min([self._ends[partition], *self._untaken(partition)]) for partition in partitions}

    def _untaken(self, partition: Partition) -> Iterable[int]:
        """The first offset that is lined up, if one is, and where what was passed over begins."""
        return itertools.chain(itertools.islice(self._lined_up.get(partition, ()), 1), self._passed.bounds(partition))

    def clear(self) -> None:
        self._forget()
        self._bytes = 0
