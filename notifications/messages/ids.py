"""What stands in an id, and the hash that stands for a receiver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from uuid import UUID

import msgspec
from django.conf import settings
from uuid_utils import uuid7

from notifications.channels import channel_class
from project.caching import cache_of_settings

# An id can have a time until the year 10889; near the end of 9999 another zone, or a day more, overflows.
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_IDS = list[UUID]
_WEEK, _FIRST_MONDAY = 7 * 86_400_000, 4 * 86_400_000  # milliseconds, since the epoch


def new_ids(count: int) -> list[UUID]:
    """Returns as many new UUIDv7, in ascending order.

    The decoder makes a UUID of its bytes in a fifth of the time that `UUID(int=…)` takes.
    """
    return msgspec.convert([uuid7().bytes for _ in range(count)], _IDS)


def time_of(id: UUID) -> datetime:
    """The time in a UUIDv7, to the millisecond (RFC 9562, 5.7), or LATEST where it is later than that."""
    return _time_at(id.int >> 80)


@lru_cache(maxsize=1024)  # the ids of a batch are of a few milliseconds
def _time_at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(min(milliseconds / 1000, LATEST.timestamp()), UTC)


def first_id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that moment or, between two milliseconds, of the next one."""
    since_epoch = moment - datetime.fromtimestamp(0, UTC)
    milliseconds = -(-since_epoch // timedelta(milliseconds=1))
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def span(ids: Iterable[UUID]) -> dict[str, str]:
    """Returns the first and the last id (in hex) of the weeks, from Monday to Sunday in UTC, in which these ids are.

    They are the parameters of WITHIN. Whole weeks, for a partition is one or a part of one: the condition then rejects
    nothing in the partitions that it leaves. A closer one would have the planner read that range instead of looking
    each id up, and where its statistics end before today it believes the range to be empty (measured: settling 500
    took 41 ms instead of 9).
    """
    given = [id.int for id in ids] or [0]
    first, last = (((id >> 80) - _FIRST_MONDAY) // _WEEK for id in (min(given), max(given)))
    begin, end = max(0, first * _WEEK + _FIRST_MONDAY), min(2**48, (last + 1) * _WEEK + _FIRST_MONDAY)
    return {"first": f"{begin:012x}{'0' * 20}", "last": f"{end - 1:012x}{'f' * 20}"}


def receiver_hash(channel: str, receiver: str) -> str:
    """Returns the topic key: equal for equal receivers, and of no use to find them for whoever lacks HASH_KEY."""
    return _hash(_keyed()[0], _canonical(channel, receiver))


def receiver_hashes(channel: str, receiver: str) -> list[str]:
    """Returns every hash under which the ledger may have the receiver: that of today's key, and those of former ones.

    The last is that of 1.0, which had no key.
    """
    canonical = _canonical(channel, receiver)
    return [_hash(keyed, canonical) for keyed in _keyed()]


def person_hash(username: str) -> str:
    """Returns what stands for a person of the directory once they were erased."""
    return _hash(_keyed()[0], f"person {username}".encode())


def person_hashes(username: str) -> list[str]:
    """Returns that under today's key, and those under former ones."""
    words = f"person {username}".encode()
    return [_hash(keyed, words) for keyed in _keyed()]


@cache_of_settings
def _keyed() -> Sequence[blake2b]:
    """Returns hashes that have read a key, today's first: doing so takes as long as hashing a receiver."""
    return [blake2b(digest_size=16, key=key) for key in settings.HASH_KEYS]


def _hash(keyed: blake2b, words: bytes) -> str:
    found = keyed.copy()
    found.update(words)
    return found.hexdigest()


def _canonical(channel: str, receiver: str) -> bytes:
    try:
        canonical = channel_class(channel).canonical(receiver)
    except KeyError:  # a row of a channel that is no longer, or not yet, registered here: it must not stop others
        canonical = receiver
    return f"{channel}:{canonical}".encode()
