"""Whose record is next, where many wait: each client's in the order read, one of every client after the other."""

from __future__ import annotations

import heapq
from collections import Counter

import msgspec

from notifications.brokers.base import Record


class Turns:
    """A fair queue. Alone, a client has its records back in the order they came.

    A record's turn is the one after its client's last. The records of one receiver never change places, not even
    those of two clients: none has an earlier turn than one before it.
    """

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, str, Record]] = []  # turn, number, client
        self._number = 0
        self._turn = 0  # of what was taken last
        self._last_of_client: dict[str, int] = {}  # turns; those that are over are removed
        self._last_of_receiver: dict[bytes, int] = {}  # by the record's key
        self.size = 0  # bytes
        self.count_of: Counter[str] = Counter()  # records here, by client
        self.bytes_of: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, record: Record, client: str) -> None:
        turn = max(self._turn, self._last_of_client.get(client, 0)) + 1
        self._last_of_client[client] = turn
        turn = max(turn, self._last_of_receiver.get(record.key, 0))
        self._last_of_receiver[record.key] = turn
        self._number += 1
        heapq.heappush(self._queue, (turn, self._number, client, record))
        size = len(record.value or b"")
        self.size += size
        self.count_of[client] += 1
        self.bytes_of[client] += size

    def take(self) -> Record:
        self._turn, _, client, record = heapq.heappop(self._queue)
        if self._last_of_client.get(client, 0) <= self._turn:
            self._last_of_client.pop(client, None)
        if self._last_of_receiver.get(record.key, 0) <= self._turn:
            self._last_of_receiver.pop(record.key, None)
        size = len(record.value or b"")
        self.size -= size
        self.count_of[client] -= 1
        self.bytes_of[client] -= size
        if not self.count_of[client]:
            del self.count_of[client], self.bytes_of[client]
        return record


class _Written(msgspec.Struct):
    client: str = ""


_decode = msgspec.json.Decoder(_Written).decode


def client_of(record: Record) -> str:
    """Returns the client that a record names. Nothing else of it is looked at, for it may wait here for long.

    What cannot be read has a turn like a client's: it must be buried some time.
    """
    try:
        return _decode(record.value or b"").client
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
