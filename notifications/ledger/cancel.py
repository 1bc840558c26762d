"""Cancelling: a client's notification ends unsent, whether it has a row already or is in Kafka alone.

Where there is no row, one is made: a stub, without texts. The primary key is the lock. Whoever inserts second, the stub
or the claim of the record, waits for the first and then finds its row; and a claim takes only rows that are queued.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from notifications.ledger import sql_cancelling
from notifications.ledger.hooks import Hooks, tell_final
from notifications.ledger.rows import Incoming, final_row
from notifications.messages.ids import span, time_of
from notifications.messages.words import Status
from notifications.models import Notification
from project.database.dialects import as_json, as_uuid, repeated


def cancel(id: UUID, *, client: str, hooks: Hooks, may_be_in_kafka: bool) -> Status | None:
    """Ends the client's notification of this id, unless it is too late.

    Returns where it stands: `cancelled`, now or before, or a status that says why it is too late. What was handed over
    once without an answer, or died and is sent again by staff, is on its way again and cannot be cancelled either.
    Returns None where there is no such notification of this client. Where there is no row at all and it
    `may_be_in_kafka`, it makes a stub, which ends the record when that is claimed.
    """
    return repeated(lambda: _cancel(id, client, hooks, may_be_in_kafka=may_be_in_kafka))


def _cancel(id: UUID, client: str, hooks: Hooks, *, may_be_in_kafka: bool) -> Status | None:
    with transaction.atomic():
        sql_cancelling.wait_briefly()
        while (row := _locked(id)) is None:
            if not may_be_in_kafka:
                return None
            stub = {"id": id, "client": client, "accepted_at": time_of(id)}
            if made := sql_cancelling.insert_stub(rows=as_json([stub])):
                return _ended(made, hooks)
            # It was claimed or accepted meanwhile: there is a row now.
        if row.client != client:
            return None
        ended = sql_cancelling.cancel(id=id.hex, client=client)
        return _ended(ended, hooks) if ended else Status(row.status)


def _locked(id: UUID) -> Notification | None:
    """Returns the row once no claim or settlement of it is under way, so that what is decided of it stays true."""
    return Notification.objects.select_for_update().only("client", "status").filter(pk=id).first()


def _ended(rows: list[tuple[Any, ...]], hooks: Hooks) -> Status:
    tell_final([final_row(row) for row in rows], hooks)
    return Status.CANCELLED


def meet_stubs(records: Sequence[Incoming]) -> list[Incoming]:
    """Looks for stubs among the rows of records that could not be claimed, inside the transaction of the claim.

    A stub of the record's own client stays, and gets to know its record: it was accepted, and is cancelled. One of
    another client is removed, or that client could have made a notification that is not theirs vanish. Returns the
    records whose stub is gone, to be claimed again.
    """
    ends = span(record.message.id for record in records)
    made_by = dict(sql_cancelling.stubs(rows=as_json([{"id": record.message.id} for record in records]), **ends))
    if not made_by:
        return []
    clients = {as_uuid(id): client for id, client in made_by.items()}
    met = [record for record in records if record.message.id in clients]
    strangers = [record for record in met if clients[record.message.id] != record.message.client]
    if own := [record for record in met if record not in strangers]:
        sql_cancelling.complete_stubs(rows=as_json([_place(record) for record in own]), **ends)
    if strangers:
        sql_cancelling.remove_stubs(rows=as_json([{"id": record.message.id} for record in strangers]), **ends)
    return strangers


def _place(record: Incoming) -> dict[str, Any]:
    words = {name: getattr(record.message, name) for name in ("id", "channel", "category", "priority")}
    return words | {name: getattr(record, name) for name in ("topic", "partition", "offset", "trace_id")}
