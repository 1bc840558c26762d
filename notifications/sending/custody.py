"""The rows that this process has claimed and whose settlement it does not know to be in the ledger yet."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Sequence
from sys import getsizeof
from uuid import UUID

import msgspec

from notifications.ledger.rows import Claimed, Fence


class _Kept(msgspec.Struct, gc=False):
    """A row in custody. Times are monotonic."""

    row: Claimed
    deadline: float  # a send may start until then
    expires: float | None
    quiet_at: float | None  # no send may start from then on
    renewed_at: float
    size: int  # bytes in memory

    def is_of(self, fence: Fence) -> bool:
        """Returns True where the fence names the claim that is kept, and not another one of the same row."""
        return self.row.claims == fence.claims and self.row.generation == fence.generation


class Custody:
    """Keeps claimed rows until they are settled. Thread-safe: consumers, what sends and the settler use it.

    `lease` and `send_timeout` are in seconds.
    """

    def __init__(self, *, lease: float, send_timeout: float) -> None:
        self._cover = lease - send_timeout  # seconds of a fresh lease in which a send may still start
        self._kept: dict[int, _Kept] = {}  # by the number of the id, for a UUID computes its hash anew each time
        self._bytes: Counter[str] = Counter()  # of the texts, by channel
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, rows: Sequence[Claimed], claimed_at: float) -> None:
        """Takes rows that were claimed by a statement which began at the monotonic time `claimed_at`."""
        with self._lock:
            for row in rows:
                expires = None if row.expires_in is None else claimed_at + row.expires_in
                quiet_at = None if row.quiet_in is None else claimed_at + row.quiet_in
                size = getsizeof(row.message) + getsizeof(row.html)
                self._drop(row.id)  # an older claim of this process, whose lease passed
                self._kept[row.id.int] = _Kept(row, claimed_at + self._cover, expires, quiet_at, claimed_at, size)
                self._bytes[row.channel] += size

    def let_go(self, fences: Sequence[Fence]) -> None:
        """Forgets rows that were settled under these claims. A newer claim of such a row stays."""
        with self._lock:
            for fence in fences:
                kept = self._kept.get(fence.id.int)
                if kept is not None and kept.is_of(fence):
                    self._drop(fence.id)

    def may_hand_over(self, row: Claimed) -> bool:
        """Returns whether a send may start now: the lease, as far as this process knows, outlasts it.

        And it is not quiet hours now where it goes, which may have begun since the claim.
        """
        kept = self._kept.get(row.id.int)
        if kept is None or not kept.is_of(row):
            return False
        now = time.monotonic()
        return now < kept.deadline and (kept.quiet_at is None or now < kept.quiet_at)

    def has_expired(self, row: Claimed) -> bool:
        """Returns whether the notification has expired since it was claimed."""
        kept = self._kept.get(row.id.int)
        return kept is not None and kept.expires is not None and time.monotonic() >= kept.expires

    def bytes_of(self, channel: str) -> int:
        """Returns how much memory the texts of a channel's rows take."""
        return self._bytes[channel]

    def rows(self) -> list[Claimed]:
        """Returns all rows in custody."""
        with self._lock:
            return [kept.row for kept in self._kept.values()]

    def to_renew(self, after: float) -> list[Claimed]:
        """Returns the rows whose lease is more than `after` seconds old."""
        now = time.monotonic()
        with self._lock:
            return [kept.row for kept in self._kept.values() if now - kept.renewed_at > after]

    def renewed(self, ids: Collection[UUID], began: float) -> None:
        """Notes that a statement which began at the monotonic time `began` renewed the leases of these rows."""
        with self._lock:
            for id in ids:
                if (kept := self._kept.get(id.int)) is not None:
                    kept.deadline, kept.renewed_at = began + self._cover, began

    def _drop(self, id: UUID) -> None:
        if (kept := self._kept.pop(id.int, None)) is not None:
            self._bytes[kept.row.channel] -= kept.size
