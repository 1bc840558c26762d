"""Rows that nobody has claimed: those of the outbox and of the embedded queue."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from notifications.ledger import sql_claiming
from notifications.ledger.columns import new_row
from notifications.messages.message import Message
from notifications.messages.words import Status
from project.database.dialects import dialect


def insert(messages: Iterable[tuple[Message, str]], status: Literal[Status.ACCEPTED, Status.QUEUED]) -> None:
    """Insert rows for (message, trace id) pairs: of the outbox (`accepted`, due now) or of the embedded queue.

    A row that is there already stands: a conflict is success.
    """
    rows = dialect().as_lines([new_row(message, trace_id=trace_id) for message, trace_id in messages])
    if status is Status.ACCEPTED:
        sql_claiming.insert_accepted(**rows)
    else:
        sql_claiming.insert_queued(**rows)
