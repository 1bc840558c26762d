"""What stands in an id, and the hash that stands for a receiver."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from uuid import UUID

from notifications.channels import channel_class


def time_of(id: UUID) -> datetime:
    """The time in a UUIDv7, to the millisecond (RFC 9562, 5.7)."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, UTC)


def first_id_at(moment: datetime) -> UUID:
    """The smallest UUIDv7 of that moment or, between two milliseconds, of the next one."""
    since_epoch = moment - datetime.fromtimestamp(0, UTC)
    milliseconds = -(-since_epoch // timedelta(milliseconds=1))
    return UUID(int=min(max(milliseconds, 0), 2**48 - 1) << 80)


def receiver_hash(channel: str, receiver: str) -> str:
    """The topic key: equal for equal receivers, and it tells nothing of the address."""
    try:
        canonical = channel_class(channel).canonical(receiver)
    except KeyError:  # a row of a channel that is no longer, or not yet, registered here: it must not stop others
        canonical = receiver
    return blake2b(f"{channel}:{canonical}".encode(), digest_size=16).hexdigest()
