"""What a consumer has fetched and was not yet asked for: few records, and few bytes of them."""

from __future__ import annotations

from collections import deque

from notifications.broker import POLL_BYTES, Record


class Stash:
    """Records in the order fetched. Its bounds are whoever fills it to respect."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._records: deque[Record] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def is_full(self) -> bool:
        return len(self._records) >= self._most or self._bytes >= POLL_BYTES

    @property
    def is_low(self) -> bool:
        return len(self._records) < self._most // 4 and self._bytes < POLL_BYTES // 4

    def room(self, limit: int) -> int:
        """How many more records a poll for `limit` could take, if they are as large as those here on average."""
        average = self._bytes // len(self._records) if self._records else 0
        fit = max(0, POLL_BYTES - self._bytes) // max(average, 1)
        return min(limit - len(self._records), fit)

    def add(self, record: Record) -> None:
        self._records.append(record)
        self._bytes += len(record.value or b"")

    def take(self, limit: int) -> list[Record]:
        """Up to `limit` records, and no more once they have POLL_BYTES."""
        taken: list[Record] = []
        size = 0
        while self._records and len(taken) < limit and size < POLL_BYTES:
            taken.append(self._records.popleft())
            size += len(taken[-1].value or b"")
        self._bytes -= size
        return taken

    def clear(self) -> None:
        self._records.clear()
        self._bytes = 0
