"""What a consumer has fetched and was not yet asked for: few records, and few bytes of them.

While a provider is slow it is more: the consumer reads ahead, so that one client's backlog does not hide what
others have sent since. Then records are taken in turns, and an offset is not to be committed while an older record
of its partition is still here.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence

from notifications.brokers.base import LOOK_AHEAD, POLL_BYTES, Record
from notifications.brokers.turns import Turns

LOOK_AHEAD_BYTES = 24 * 1024**2  # a sender has six consumers, and may have 512 MiB

Partition = tuple[str, int]


class Stash:
    """Records in the order fetched, or in turns once they are lined up. Whoever fills it respects its bounds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bytes = 0
        self._forget()

    def _forget(self) -> None:
        self._records: deque[Record] = deque()  # younger than those lined up
        self._turns = Turns()
        self._lined_up: dict[Partition, OrderedDict[int, None]] = {}  # offsets, in order
        self._ends: dict[Partition, int] = {}  # the offset after the last that was taken

    def __len__(self) -> int:
        return len(self._records) + len(self._turns)

    @property
    def is_full(self) -> bool:
        if self._turns:
            return len(self) >= LOOK_AHEAD or self._bytes >= LOOK_AHEAD_BYTES
        return len(self) >= self._most or self._bytes >= POLL_BYTES

    @property
    def is_low(self) -> bool:
        if self._turns:
            return len(self) < LOOK_AHEAD - self._most and self._bytes < LOOK_AHEAD_BYTES - POLL_BYTES
        return len(self) < self._most // 4 and self._bytes < POLL_BYTES // 4

    def free(self, limit: int, *, ahead: bool = False) -> int:
        """Returns how many more records it may take, if they are as large as those here on average.

        A poll for `limit` has no use for more, unless it reads ahead.
        """
        most, most_bytes = (LOOK_AHEAD, LOOK_AHEAD_BYTES) if ahead else (limit, POLL_BYTES)
        average = self._bytes // len(self) if self else 0
        fit = max(0, most_bytes - self._bytes) // max(average, 1)
        return min(most - len(self), fit)

    def add(self, record: Record) -> None:
        self._records.append(record)
        self._bytes += len(record.value or b"")

    def line_up(self) -> None:
        """Have all that is here taken in turns."""
        for record in self._records:
            self._turns.add(record)
            self._lined_up.setdefault((record.topic, record.partition), OrderedDict())[record.offset] = None
        self._records.clear()

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
        return {partition: min([self._ends[partition], *self._oldest(partition)]) for partition in partitions}

    def _oldest(self, partition: Partition) -> Iterable[int]:
        """The first offset that is lined up, if one is."""
        return itertools.islice(self._lined_up.get(partition, ()), 1)

    def clear(self) -> None:
        self._forget()
        self._bytes = 0
