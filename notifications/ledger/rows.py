"""What goes into the ledger and comes out of it: records to claim, claimed rows, rows that ended."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from notifications.ledger.hooks import FinalRow
from notifications.messages.message import Message
from notifications.messages.tracing import trace
from project.database.dialects import as_uuid

TABLE = "notifications_notification"
LONGEST_ERROR = 1000


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A readable record, as the claim takes it."""

    message: Message
    topic: str
    partition: int
    offset: int
    trace_id: str
    value: bytes
    traceparent: str = ""


class Fence(msgspec.Struct, frozen=True, gc=False):
    """Names one claim of one row. Whatever settles must match it; a newer claim or replay makes it stale."""

    id: UUID
    generation: int
    claims: int


class Claimed(Fence, frozen=True, gc=False):
    """A row this process may send until its lease passes: what the database returned, not what the record contains.

    What the claim returns comes first, in its order, and of that the columns: one more is one more line.
    """

    channel: str
    receiver: str
    receiver_hash: str
    subject: str
    message: str
    html: str
    user: str
    client: str
    category: str
    priority: str
    trace_id: str
    attempts: int
    reason: str  # why it was waiting before, or ""
    # No columns: the claim computes the first three, and its owner is known.
    throttled: int  # how many of its attempts were answered "slow down"
    send_in: float | None  # seconds from the claim until its send_at, which may have passed
    expires_in: float | None  # seconds from the claim
    owner: str
    span: str = ""  # the traceparent of its claim, where that is traced
    quiet_in: float | None = None  # seconds from the claim until it is quiet where it goes
    unsubscribe: str = ""  # the address by which its reader does so, where it is about to be sent and has one

    @property
    def traceparent(self) -> str:
        """Returns what a provider gets to know of the trace."""
        return self.span or trace(trace_id=self.trace_id)

    @property
    def accepted_at(self) -> float:
        """Returns the time in the id, in seconds since the epoch."""
        return (self.id.int >> 80) / 1000


_NO_COLUMNS = {"throttled", "send_in", "expires_in", "owner", "span", "quiet_in", "unsubscribe"}
CLAIMED_COLUMNS = tuple(name for name in Claimed.__struct_fields__ if name not in _NO_COLUMNS)


def final_row(row: tuple[Any, ...]) -> FinalRow:
    return FinalRow(as_uuid(row[0]), *row[1:])


def clean(text: str, longest: int) -> str:
    """Provider's text as a column can store it: no NUL, no lone surrogate, cut."""
    return text[:longest].replace("\x00", "").encode(errors="replace").decode() if text else ""
