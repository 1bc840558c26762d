"""Whose record is next, where many wait: each client's in the order read, one of every client after the other."""

from __future__ import annotations

import heapq

from notifications.brokers.base import Record
from notifications.messages.message import Unreadable, from_record


class Turns:
    """A fair queue. Alone, a client has its records back in the order they came.

    A record's turn is the one after its client's last. The records of one receiver never change places, not even
    those of two clients: none has an earlier turn than one before it.
    """

    def __init__(self) -> None:
        self._queue: list[tuple[int, int, str, str, Record]] = []  # turn, number, client, receiver hash
        self._number = 0
        self._turn = 0  # of what was taken last
        self._last_of_client: dict[str, int] = {}  # turns; those that are over are removed
        self._last_of_receiver: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, record: Record) -> None:
        client, receiver = _names(record)
        turn = max(self._turn, self._last_of_client.get(client, 0)) + 1
        self._last_of_client[client] = turn
        turn = max(turn, self._last_of_receiver.get(receiver, 0))
        self._last_of_receiver[receiver] = turn
        self._number += 1
        heapq.heappush(self._queue, (turn, self._number, client, receiver, record))

    def take(self) -> Record:
        self._turn, _, client, receiver, record = heapq.heappop(self._queue)
        if self._last_of_client.get(client, 0) <= self._turn:
            self._last_of_client.pop(client, None)
        if self._last_of_receiver.get(receiver, 0) <= self._turn:
            self._last_of_receiver.pop(receiver, None)
        return record


def _names(record: Record) -> tuple[str, str]:
    """Its client and receiver hash. What cannot be read has a turn like a client's: it must be buried some time."""
    try:
        message = from_record(record.value)
    except Unreadable:
        return "", ""
    return message.client, message.receiver_hash
