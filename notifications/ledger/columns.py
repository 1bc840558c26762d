"""The ledger's columns that follow from the list of fields, and the check that the model has them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from operator import attrgetter
from typing import Any

from django.core import checks
from django.db import models
from msgspec import inspect

from notifications.messages.fields import CARRIED, Field
from notifications.messages.message import Message
from notifications.models import Notification
from project.database.dialects import as_uuid, from_time

PLACE = {"topic": "text", "partition": "integer", "offset": "bigint", "trace_id": "text"}
# What a new row says, with the types in which it travels.
NEW_COLUMNS = {name: field.column for name, field in CARRIED.items()} | {"receiver_hash": "text"} | PLACE
MESSAGE_COLUMNS = tuple(CARRIED)
FINAL_COLUMNS = (
    *("id", "status", "channel", "last_cause", "last_error", "attempts", "topic", "partition", "offset"),
    *("provider", "trace_id", "generation", "claims", "receiver_hash"),
)

MODEL_FIELDS: dict[type[inspect.Type], type[models.Field[Any, Any]]] = {
    inspect.LiteralType: models.CharField,
    inspect.IntType: models.IntegerField,
    inspect.UUIDType: models.UUIDField,
    inspect.DateTimeType: models.DateTimeField,
}
_carried = attrgetter(*MESSAGE_COLUMNS)
_TIMES = [place for place, field in enumerate(CARRIED.values()) if field.kind is inspect.DateTimeType]
_ID = MESSAGE_COLUMNS.index("id")


def new_row(
    message: Message, topic: str = "", partition: int | None = None, offset: int | None = None, trace_id: str = ""
) -> list[Any]:
    """Returns the values of NEW_COLUMNS, as a statement takes them as lines."""
    row = [*_carried(message), message.receiver_hash, topic, partition, offset, trace_id]
    for place in _TIMES:
        if (moment := row[place]) is not None and moment.tzinfo is not UTC:
            row[place] = moment.astimezone(UTC)
    return row


def message_of(values: Sequence[Any]) -> Message:
    """Returns the message whose MESSAGE_COLUMNS a statement gave."""
    fields = list(values)
    fields[_ID] = as_uuid(fields[_ID])
    for place in _TIMES:
        fields[place] = from_time(fields[place])
    return Message(**dict(zip(MESSAGE_COLUMNS, fields, strict=True)))


def message_of_row(row: Notification, **changed: Any) -> Message:
    """Returns the message of a row, with these fields instead of its own."""
    return Message(**{name: getattr(row, name) for name in MESSAGE_COLUMNS} | changed)


def compare(**_: Any) -> list[checks.CheckMessage]:
    """Returns an error for each field of the list that the model lacks or has otherwise."""
    hint = "Make notifications/models/ledger.py agree with notifications/messages/fields.py."
    found = [what for field in CARRIED.values() for what in _differences(field)]
    return [checks.Error(what, hint=hint, id="notifications.E001") for what in found]


def _differences(field: Field) -> Iterator[str]:
    column = {each.name: each for each in Notification._meta.local_concrete_fields}.get(field.name)
    if column is None:
        yield f"The ledger has no column {field.name}."
        return
    free = inspect.StrType if field.limit else None
    wanted = MODEL_FIELDS.get(field.kind, models.CharField if free else (models.CharField, models.TextField))
    if not isinstance(column, wanted):
        yield f"The ledger's column {field.name} is a {type(column).__name__}."
    if field.limit and column.max_length != field.limit:
        yield f"The ledger's column {field.name} takes {column.max_length} characters, and the field {field.limit}."
    if column.null is not field.optional:
        yield f"The ledger's column {field.name} {'may' if column.null else 'may not'} be null, unlike the field."
