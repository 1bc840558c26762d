"""The one list of a notification's fields: name, type, limit, default, and who says it.

`Content` is what a caller gives and what travels unchanged, `Addressed` what only a request has, `Carried` what
only the record and the ledger have. The request's limits, the record, the columns of the ledger's statements, the
OpenAPI description and the table in docs/reference.md follow from them; a check at the start compares them with the
model. So a new field is one line here, and one of the model with its migration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType, inspect

from notifications.messages.words import Priority

LONGEST_KEY = 255  # characters of an idempotency key, also of one in a header

Moment = Annotated[datetime, Meta(tz=True)]
Receiver = Annotated[str, Meta(max_length=1024)]
User = Annotated[str, Meta(max_length=150)]
IdempotencyKey = Annotated[str, Meta(min_length=1, max_length=LONGEST_KEY)]

# What OpenAPI says of a text that the rules refuse when it is empty or blank.
NOT_EMPTY = {"minLength": 1}

# The type of a column, for the statements into which rows travel as JSON (PostgreSQL's names).
COLUMNS: dict[type[inspect.Type], str] = {
    inspect.StrType: "text",
    inspect.LiteralType: "text",
    inspect.IntType: "integer",
    inspect.UUIDType: "uuid",
    inspect.DateTimeType: "timestamptz",
}


class Content(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a caller gives, and what travels unchanged. Nothing in it can refer to it: no collector need look."""

    message: Annotated[str, Meta(extra_json_schema=NOT_EMPTY)]
    subject: Annotated[str, Meta(max_length=255)] = ""
    html: Annotated[str, Meta(description="Instead of message where it can be shown.")] = ""
    category: Annotated[str, Meta(max_length=100, extra_json_schema=NOT_EMPTY)] = "default"
    priority: Priority = "transactional"
    send_at: Annotated[Moment | None, Meta(description="Not sent before this time, which may be 90 days ahead.")] = None
    expires_at: Annotated[Moment | None, Meta(description="Not sent after this time.")] = None
    reference: Annotated[str, Meta(max_length=255, description="Your own id.")] = ""


class Addressed(Content, frozen=True, kw_only=True):
    """What a request has besides: a `receiver` on a channel, or a `user`; and a second name of its end.

    `latest_at` does not travel: what is sent expires at the earlier of it and `expires_at`.
    """

    type: str | UnsetType = UNSET
    receiver: Annotated[Receiver, Meta(extra_json_schema=NOT_EMPTY)] | UnsetType = UNSET
    user: (
        Annotated[User, Meta(min_length=1, description="The main application's id; instead of receiver.")] | UnsetType
    ) = UNSET
    latest_at: Annotated[Moment | None, Meta(description="Not sent after this time, whatever it waited for.")] = None


class Carried(Content, frozen=True, kw_only=True):
    """What we add: the rest of a record's value, and but for `v` the first part of a row of the ledger."""

    v: Literal[1] = 1
    id: UUID
    generation: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    channel: str
    receiver: Receiver
    user: User = ""
    client: Annotated[str, Meta(max_length=100)]
    accepted_at: Moment


@dataclass(frozen=True, slots=True)
class Field:
    """One field as its type describes it. `limit` is in characters; None where only a channel has one."""

    name: str
    kind: type[inspect.Type]
    limit: int | None
    optional: bool  # may be null

    @property
    def column(self) -> str:
        return COLUMNS[self.kind]


def fields_of(struct: type[msgspec.Struct]) -> dict[str, Field]:
    """The fields of a struct by name, in order."""
    described = inspect.type_info(struct)
    if not isinstance(described, inspect.StructType):
        raise TypeError(struct)
    return {field.name: _field(field.name, field.type) for field in described.fields}


@cache
def texts_of(struct: type[msgspec.Struct]) -> tuple[list[str], Callable[[Any], tuple[str, ...]]]:
    """The names of a struct's free texts, and what reads their values at once; UNSET where one was not given."""
    names = [field.name for field in fields_of(struct).values() if field.kind is inspect.StrType]
    names = [name for name in names if name not in ("type", "channel")]  # words of the registry
    return names, attrgetter(*names)


def _field(name: str, type: inspect.Type) -> Field:
    """Looks into unions and descriptions for the one type that a value has."""
    if isinstance(type, inspect.Metadata):
        return _field(name, type.type)
    if isinstance(type, inspect.UnionType):
        [value] = [inner for inner in type.types if not isinstance(inner, inspect.NoneType)]
        found = _field(name, value)
        return Field(name, found.kind, found.limit, optional=type.includes_none)
    limit = type.max_length if isinstance(type, inspect.StrType) else None
    return Field(name, type.__class__, limit, optional=False)


CARRIED = {name: field for name, field in fields_of(Carried).items() if name != "v"}
LENGTHS = {name: field.limit for name, field in (fields_of(Addressed) | CARRIED).items() if field.limit}
