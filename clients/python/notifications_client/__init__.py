"""Sends notifications through the notification platform, and says where they stand."""

from __future__ import annotations

from notifications_client.async_client import AsyncClient
from notifications_client.client import Client
from notifications_client.errors import (
    ApiError,
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    NotificationsError,
    NotYetKnown,
    OverLimit,
    Problem,
    TooLate,
    Unauthorized,
    Unavailable,
)
from notifications_client.types import (
    Accepted,
    Attempt,
    Cancelled,
    Decision,
    Delivery,
    Notification,
    NotificationDetail,
    NotificationRow,
    Page,
    Query,
    Result,
)

__all__ = [
    "Accepted",
    "ApiError",
    "AsyncClient",
    "Attempt",
    "Cancelled",
    "Client",
    "Conflict",
    "Decision",
    "Delivery",
    "Forbidden",
    "InvalidRequest",
    "NotFound",
    "NotYetKnown",
    "Notification",
    "NotificationDetail",
    "NotificationRow",
    "NotificationsError",
    "OverLimit",
    "Page",
    "Problem",
    "Query",
    "Result",
    "TooLate",
    "Unauthorized",
    "Unavailable",
]
