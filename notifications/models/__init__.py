"""The tables of this app: the ledger and its small neighbours."""

from __future__ import annotations

from notifications.models.desk import Minute, StaffAction, Standing
from notifications.models.intake import Category, IdempotencyKey
from notifications.models.ledger import REMOVED, Attempt, Lease, Notification, NotificationQuerySet, PrunedDay
from notifications.models.work import BreakerEvent, Job, SandboxMessage, WorkerHeartbeat

__all__ = [
    "REMOVED",
    "Attempt",
    "BreakerEvent",
    "Category",
    "IdempotencyKey",
    "Job",
    "Lease",
    "Minute",
    "Notification",
    "NotificationQuerySet",
    "PrunedDay",
    "SandboxMessage",
    "StaffAction",
    "Standing",
    "WorkerHeartbeat",
]
