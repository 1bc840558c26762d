"""Accepting notifications: idempotency keys, users resolved, then durable in Kafka or in the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from notifications.message import Draft, Errors


class Refused(Exception):
    """Some drafts cannot be accepted, so none was; `errors` by position, in DRF's shape."""

    def __init__(self, errors: dict[int, Errors]) -> None:
        super().__init__(str(errors))
        self.errors = errors


class Conflict(Refused):
    """An idempotency key was used with another body."""


class TooLarge(Refused):
    """A record over what Kafka takes."""


class Unavailable(Exception):
    """Neither Kafka nor the outbox could take it; `retry_after` in seconds."""

    retry_after = 5


def accept(
    drafts: Sequence[Draft], *, client: str, keys: Sequence[str | None] | None = None, traceparent: str = ""
) -> list[UUID]:
    """Make the drafts durable, all or none of them; their ids, in order.

    `keys` are the idempotency keys, in order. Raises Refused, Conflict, TooLarge or Unavailable. After
    Unavailable nothing was promised, yet some may be sent.
    """
    raise NotImplementedError
