"""Writes one record with any bytes, header names included, which no client library does.

The layouts are those of Kafka's protocol guide (Produce version 3, record batch version 2).
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Sequence

from harness.services.waiting import wait_until

Header = tuple[bytes, bytes | None]

PRODUCE, VERSION = 0, 3
ALL_REPLICAS = -1
UNKNOWN_TOPIC = 3


def write_record(
    servers: str, topic: str, value: bytes | None, *, key: bytes | None = None, headers: Sequence[Header] = ()
) -> None:
    """Appends the record to partition 0. Raises AssertionError where the broker refuses it.

    A topic is there for whoever made it a moment before the broker lets anybody write to it.
    """
    answers: list[int] = []

    def is_known() -> bool:
        answers.append(_write(servers, topic, _batch(_record(key, value, headers))))
        return answers[-1] != UNKNOWN_TOPIC

    wait_until(is_known, what=f"{topic} is there")
    assert answers[-1] == 0, f"the broker refused the record with error {answers[-1]}"


def _write(servers: str, topic: str, batch: bytes) -> int:
    """Returns the error's number, or 0."""
    body = struct.pack(">hhi", -1, ALL_REPLICAS, 10_000)  # no transaction
    body += struct.pack(">ih", 1, len(topic)) + topic.encode() + struct.pack(">iii", 1, 0, len(batch)) + batch
    request = struct.pack(">hhih", PRODUCE, VERSION, 1, -1) + body  # a null client id
    host, _, port = servers.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.makefile("rb").read(struct.calcsize(">iii") + 2 + len(topic) + struct.calcsize(">iih"))
    (error,) = struct.unpack(">h", answer[-2:])
    return int(error)


def _record(key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> bytes:
    body = b"\x00\x00\x00" + _sized(key) + _sized(value) + _varint(len(headers))
    body += b"".join(_sized(name) + _sized(text) for name, text in headers)
    return _varint(len(body)) + body


def _batch(record: bytes) -> bytes:
    now = int(time.time() * 1000)  # an old record would be deleted by retention
    checked = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    body = struct.pack(">ibI", -1, 2, _crc32c(checked)) + checked
    return struct.pack(">qi", 0, len(body)) + body


def _sized(blob: bytes | None) -> bytes:
    return _varint(-1) if blob is None else _varint(len(blob)) + blob


def _varint(number: int) -> bytes:
    """Zigzag, seven bits a byte."""
    rest = (number << 1) ^ (number >> 63)
    found = bytearray()
    while rest > 0x7F:
        found.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes([*found, rest])


def _table() -> list[int]:
    entries = list(range(256))
    for _ in range(8):
        entries = [entry >> 1 ^ (0x82F63B78 if entry & 1 else 0) for entry in entries]
    return entries


CASTAGNOLI = _table()


def _crc32c(blob: bytes) -> int:
    crc = 0xFFFFFFFF
    for byte in blob:
        crc = crc >> 8 ^ CASTAGNOLI[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF
