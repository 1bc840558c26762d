"""What a consumer has passed over, while it looks behind a client's backlog, and reads again later."""

from __future__ import annotations

from collections.abc import Iterator

from notifications.brokers.base import Record

Partition = tuple[str, int]


class Passed:
    """The first record passed over of each partition, and which of those behind it were kept.

    A client of whom a record was passed over is behind: all its later ones are passed over too, and so is every
    record to one of their receivers, whoever sent it. So what is read again is in order.
    """

    def __init__(self) -> None:
        self.count = 0
        self.behind: set[str] = set()  # clients
        self.first: dict[Partition, int] = {}  # offsets to go back to
        self._receivers: set[int] = set()  # hashes of the records' keys
        self._kept: dict[Partition, set[int]] = {}  # offsets from the first on
        self._again: dict[Partition, tuple[int, int]] = {}  # what is being read again: from there, up to there
        self._ends: dict[Partition, int] = {}  # the offset after the last that was seen

    def __bool__(self) -> bool:
        """Whether something is passed over, or being read again: then each record has to be shown to this."""
        return bool(self.first or self._again)

    def see(self, record: Record) -> bool:
        """Notes how far its partition was read. Returns whether it is new: not kept when it was read before."""
        partition, end = (record.topic, record.partition), record.offset + 1
        self._ends[partition] = end
        if partition in self._again:
            _, until = self._again[partition]
            if end < until:
                self._again[partition] = end, until
            else:
                del self._again[partition]
        kept = self._kept.get(partition)
        if not kept or record.offset not in kept:
            return True
        if partition not in self.first:  # it is not read a third time
            kept.discard(record.offset)
        return False

    def must_wait(self, record: Record, client: str) -> bool:
        """Returns whether the record would overtake one that was passed over."""
        return client in self.behind or hash(record.key) in self._receivers

    def pass_over(self, record: Record) -> None:
        self.first.setdefault((record.topic, record.partition), record.offset)
        self._receivers.add(hash(record.key))
        self.count += 1

    def keep(self, record: Record) -> None:
        partition = (record.topic, record.partition)
        if partition in self.first:
            self._kept.setdefault(partition, set()).add(record.offset)

    def bounds(self, partition: Partition) -> Iterator[int]:
        """The offsets that no commit may pass, because what begins there was not kept."""
        if partition in self.first:
            yield self.first[partition]
        if partition in self._again:
            yield self._again[partition][0]

    def go_back(self) -> None:
        """Notes that each partition is read again from its `first` on."""
        for partition, offset in self.first.items():
            _, until = self._again.get(partition, (0, 0))
            self._again[partition] = offset, max(until, self._ends[partition])
            self._kept[partition] = {kept for kept in self._kept.get(partition, ()) if kept > offset}
        self.first, self.count = {}, 0
        self.behind.clear()
        self._receivers.clear()
