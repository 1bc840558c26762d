"""What providers tell afterwards of a notification or a receiver: the words for it, and what is read of each event."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, NamedTuple, Self
from uuid import UUID

from notifications.channels.outcomes import Bounce


class DeliveryState(StrEnum):
    """What became of a notification after it was sent, in the order of rank: of several the last one counts."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"

    @property
    def rank(self) -> int:
        return list(DeliveryState).index(self)


class ReceiptType(StrEnum):
    """What an event says: the word, and the state that it gives its notification."""

    state: DeliveryState | None

    def __new__(cls, word: str, state: DeliveryState | None = None) -> Self:
        kind = str.__new__(cls, word)
        kind._value_ = word
        kind.state = state
        return kind

    DELIVERED = "delivered", DeliveryState.DELIVERED
    BOUNCED = "bounced", DeliveryState.BOUNCED  # for good: nobody is there
    SOFT_BOUNCED = "soft-bounced", DeliveryState.BOUNCED  # it may pass: the mailbox is full, the phone is off
    OPTED_OUT = "opted-out", DeliveryState.BOUNCED  # the receiver has blocked us at the provider or the carrier
    UNDELIVERED = "undelivered", DeliveryState.BOUNCED  # for a reason that is not the receiver's
    COMPLAINED = "complained", DeliveryState.COMPLAINED
    UNSUBSCRIBED = "unsubscribed"  # with the provider's own link or page
    STOP = "stop"  # the receiver's own text
    START = "start"


class Event(NamedTuple):
    """One event, of which the signature was checked."""

    provider: str
    channel: str
    receiver: str  # a valid one
    type: ReceiptType
    message_id: str = ""  # the provider's
    at: datetime | None = None  # when it happened, where the provider says so
    detail: str = ""  # the provider's words, without the receiver
    notification_id: UUID | None = None  # where it travelled to the provider and back


class Refused(Exception):
    """A callback of which nothing is taken. `why` may be read by whoever called."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"

    def __init__(self, why: str = "The callback cannot be read.") -> None:
        super().__init__(why)
        self.why = why


class NotOpen(Refused):
    """Nothing is set up here that could check such a callback."""

    status = 404
    code = "not_found"

    def __init__(self) -> None:
        super().__init__("Not found.")


class NeedsLogin(Refused):
    """It came without the name and password that are in the URL at the provider; some send them only when asked."""

    status = 401
    code = "not_authenticated"

    def __init__(self) -> None:
        super().__init__("The webhook secret is missing.")


class Forged(Refused):
    """Its signature, or its secret, is missing or wrong."""

    status = 403
    code = "permission_denied"

    def __init__(self) -> None:
        super().__init__("The signature is missing or wrong.")


class TooMany(Refused):
    """It has more events than are taken at once."""

    status = 413
    code = "too_large"


def type_of(bounce: Bounce | None) -> ReceiptType:
    """Returns the word for a failure after the hand-over, by what it says of the address."""
    return ReceiptType.UNDELIVERED if bounce is None else OF_BOUNCE[bounce]


OF_BOUNCE = {
    Bounce.HARD: ReceiptType.BOUNCED,
    Bounce.GONE: ReceiptType.BOUNCED,
    Bounce.SOFT: ReceiptType.SOFT_BOUNCED,
    Bounce.STOP: ReceiptType.OPTED_OUT,
}
