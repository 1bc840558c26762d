"""Why drafts are not accepted."""

from __future__ import annotations

from notifications.messages.explain import Errors


class Refused(Exception):
    """Some drafts cannot be accepted, so none was; `errors` by position, in DRF's shape."""

    def __init__(self, errors: dict[int, Errors]) -> None:
        super().__init__(str(errors))
        self.errors = errors


class Conflict(Refused):
    """An idempotency key was used with another body."""


class TooLarge(Refused):
    """A record over what Kafka takes."""
