"""The tables of this app: the ledger and its small neighbours."""

from __future__ import annotations

from notifications.models.desk import Minute, StaffAction, Standing
from notifications.models.digests import Digest
from notifications.models.forgotten import Forgetting, ForgottenHash
from notifications.models.intake import Category, IdempotencyKey
from notifications.models.ledger import (
    NO_TEXTS,
    NOBODY,
    REMOVED,
    Attempt,
    Lease,
    Notification,
    NotificationQuerySet,
    PrunedDay,
)
from notifications.models.pauses import Pause
from notifications.models.receipts import Receipt
from notifications.models.rewound import Rewound
from notifications.models.work import ALIVE_SECONDS, BreakerEvent, Job, SandboxMessage, WorkerHeartbeat

__all__ = [
    "ALIVE_SECONDS",
    "NOBODY",
    "NO_TEXTS",
    "REMOVED",
    "Attempt",
    "BreakerEvent",
    "Category",
    "Digest",
    "Forgetting",
    "ForgottenHash",
    "IdempotencyKey",
    "Job",
    "Lease",
    "Minute",
    "Notification",
    "NotificationQuerySet",
    "Pause",
    "PrunedDay",
    "Receipt",
    "Rewound",
    "SandboxMessage",
    "StaffAction",
    "Standing",
    "WorkerHeartbeat",
]
