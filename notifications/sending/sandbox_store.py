"""The table that keeps what the sandbox would have sent, for the admin to show."""

from __future__ import annotations

from threading import Lock

from django.db import connections

from notifications.channels.base import Outgoing
from notifications.models import SandboxMessage
from project.database.dialects import turn_to_write


class SandboxTable:
    """Keeps each notification in a transaction of its own."""

    def __init__(self) -> None:
        # Of all sending threads, one alone competes with the settler for its turn to write.
        self._one_at_a_time = Lock()

    def keep(self, channel: str, notification: Outgoing) -> str:
        """Writes one row. Returns its primary key."""
        with self._one_at_a_time, turn_to_write():
            row = SandboxMessage.objects.create(
                notification_id=notification.id,
                channel=channel,
                receiver=notification.receiver,
                subject=notification.subject,
                message=notification.message,
                html=notification.html,
            )
        return str(row.pk)

    def close(self) -> None:
        """Closes the calling thread's connections."""
        connections.close_all()
