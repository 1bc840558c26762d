"""Where a notification stands, why it waits, and how urgent it is."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

Priority = Literal["transactional", "bulk"]
PRIORITIES: tuple[Priority, ...] = ("transactional", "bulk")


class Status(StrEnum):
    """Where a notification stands."""

    ACCEPTED = "accepted"  # in the outbox: durable, not yet published
    QUEUED = "queued"
    SENDING = "sending"
    WAITING = "waiting"
    SENT = "sent"
    HELD = "held"
    DEAD = "dead"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"  # reserved
    CANCELLED = "cancelled"  # reserved


class Reason(StrEnum):
    """Why a notification is waiting."""

    RETRY = "retry"
    THROTTLED = "throttled"
    OUTAGE = "outage"
    PARKED = "parked"
    UNCERTAIN = "uncertain"
    HANDED_BACK = "handed-back"
    REPLAY = "replay"
