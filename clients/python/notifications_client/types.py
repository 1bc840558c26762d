"""What goes in and what comes back. Field names, words and meanings are those of the platform's OpenAPI description.

The words of an answer are not checked: a newer platform may know more of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypedDict
from uuid import UUID

from notifications_client.errors import NotificationsError

Channel = Literal["EMAIL", "SLACK", "SMS"]
Priority = Literal["transactional", "bulk"]
Status = Literal[
    "accepted",
    "queued",
    "sending",
    "waiting",
    "sent",
    "held",
    "dead",
    "expired",
    "suppressed",
    "cancelled",
    "digested",
]
Reason = Literal[
    "",
    "retry",
    "throttled",
    "outage",
    "parked",
    "uncertain",
    "handed-back",
    "replay",
    "scheduled",
    "stopped",
    "paused",
    "quiet",
    "capped",
    "digest",
    "bounced",
    "complained",
    "stop",
    "unsubscribed",
    "gone",
    "erased",
    "by-staff",
    "choice",
    "not-chosen",
    "cap",
]
# Why an address gets nothing.
SuppressedFor = Literal["bounced", "complained", "stop", "unsubscribed", "gone", "erased", "by-staff"]
Rule = Literal["cancelled", "suppressed", "mandatory", "paused", "choice", "quiet", "digest", "cap", "send"]
DeliveryState = Literal["delivered", "bounced", "complained"]
Outcome = Literal["transient", "permanent", "throttled", "uncertain"]
Cause = Literal[
    "",
    "invalid-receiver",
    "unknown-receiver",
    "mailbox-full",
    "rejected-content",
    "opted-out",
    "throttled",
    "credentials",
    "provider-error",
    "provider-outage",
    "connection",
    "timeout",
    "outcome-unknown",
    "lease-expired",
    "undecodable",
    "refused-by-database",
    "refused-by-kafka",
    "bug",
]


@dataclass(frozen=True, kw_only=True)
class Notification:
    """What is to be sent: to a `receiver` on the channel `type`, or to a `user` of the platform's directory.

    `None` is left out of the request. The idempotency key is made by the client where it is None. Give your own, such
    as "order-4711/shipped", where your program may ask again after a restart: the same key and the same content are
    one notification.
    """

    message: str
    type: Channel | None = None
    receiver: str | None = None
    user: str | None = None
    subject: str | None = None
    html: str | None = None
    category: str | None = None
    priority: Priority | None = None
    send_at: datetime | None = None  # with its zone, at most 90 days ahead
    expires_at: datetime | None = None
    latest_at: datetime | None = None
    reference: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True)
class Accepted:
    """It is durable, and will be sent, unless `suppressed` says why its address gets nothing."""

    id: UUID
    status: Literal["accepted"]
    suppressed: SuppressedFor | None = None


@dataclass(frozen=True)
class Cancelled:
    """It was not sent, and will not be."""

    id: UUID
    status: Literal["cancelled"]


@dataclass(frozen=True)
class Result:
    """What became of one notification of a batch. It has an `id` where it was accepted, and else an `error`.

    Where the error is Unavailable, nobody knows whether it was accepted: send `notification` again, it has its key.
    """

    notification: Notification
    id: UUID | None = None
    error: NotificationsError | None = None
    suppressed: SuppressedFor | None = None  # as in Accepted


@dataclass(frozen=True, kw_only=True)
class NotificationRow:
    """Where a notification stands. Empty texts and None say that there is nothing to say."""

    id: UUID
    type: Channel | None
    status: Status
    reason: Reason
    receiver: str
    user: str
    reference: str
    category: str
    priority: str
    generation: int
    attempts_spent: int
    uncertain_count: int
    due_at: datetime | None
    last_cause: Cause
    last_error: str
    provider: str
    provider_message_id: str
    accepted_at: datetime
    send_at: datetime | None
    expires_at: datetime | None
    settled_at: datetime | None
    trace_id: str
    texts_removed: bool


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An attempt that did not simply send."""

    generation: int
    number: int
    at: datetime
    outcome: Outcome
    cause: Cause
    error: str
    milliseconds: int | None


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Which rule keeps a notification from its receiver, why, and until when where it waits."""

    rule: Rule
    why: str
    until: datetime | None


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """What became of a notification after it was sent, and when its provider reported it first."""

    state: DeliveryState
    at: datetime


@dataclass(frozen=True, kw_only=True)
class NotificationDetail(NotificationRow):
    """Where a notification stands, with its latest 100 attempts that did not simply send, the oldest first."""

    decision: Decision | None
    attempts: tuple[Attempt, ...]
    delivery: Delivery | None


@dataclass(frozen=True)
class Page:
    """A page of the list, newest first. `next` and `previous` are cursors; None where there is no such page.

    A page may have fewer results than were asked for, or none, while `next` goes on.
    """

    next: str | None
    previous: str | None
    results: tuple[NotificationRow, ...]


class Query(TypedDict, total=False):
    """What a list can be asked for. A notification must match all that is given."""

    receiver: str
    user: str
    reference: str
    status: Status
    type: Channel
    since: datetime  # accepted then or later; with its zone
    until: datetime  # accepted before
    cursor: str
    page_size: int  # 1 to 500
