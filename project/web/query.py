"""A list's query as one struct: read strictly, because a filter that is silently dropped shows everybody everything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, TypeVar, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType
from rest_framework.request import Request

from notifications.messages.explain import Errors, Invalid

MAX_VALUE = 1_024
NUMBER = re.compile(r"[0-9]{1,9}")

Q = TypeVar("Q", bound=msgspec.Struct)


def parameter(description: str, must: str, **limits: Any) -> Meta:
    """The Meta of a query's field: its description, and the answer to a wrong value."""
    return Meta(description=description, extra={"must": must}, **limits)


def cursor(value: str) -> Meta:
    """The Meta of a cursor; `value` is the pattern of the column that the list is in the order of."""
    must = "Must be a cursor from the next or previous of an answer."
    return parameter("From the `next` or `previous` of an answer.", must, pattern=rf"\A(after|before)\.{value}\Z")


class PageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What every list takes; each has a cursor of its own form. A field that is not given is UNSET or its default."""

    cursor: Annotated[str, cursor(".+")] | UnsetType = UNSET
    page_size: Annotated[int, parameter("Rows of a page.", "Must be a whole number from 1 to 500.", ge=1, le=500)] = 50


def read_query(request: Request, shape: type[Q]) -> Q:
    """Returns the query parameters, each given once. Raises Invalid with what is wrong with each of them.

    Each is converted alone, since msgspec names only the first that is wrong, and without `strict=False`, which takes
    1e2 for 100 and 1767225600 for a time.
    """
    kinds = {field.name: field.type for field in msgspec.structs.fields(shape)}
    errors: Errors = {}
    query: dict[str, Any] = {}
    for name, values in request.query_params.lists():
        try:
            query[name] = _read(values, kinds[name])
        except KeyError:
            errors[name[:100]] = ["Unknown parameter."]
        except ValueError as why:
            errors[name] = [str(why)]
    if errors:
        raise Invalid(errors)
    return shape(**query)


def describe(shape: type[msgspec.Struct]) -> list[dict[str, Any]]:
    """Returns the parameters of a query as OpenAPI has them, without the patterns that only Python can read."""
    _, schemas = msgspec.json.schema_components([shape])
    properties: dict[str, dict[str, Any]] = schemas[shape.__name__]["properties"]
    for schema in properties.values():
        if schema.get("pattern", "").startswith(r"\A"):
            del schema["pattern"]
    return [
        {"name": name, "in": "query", "description": schema.pop("description"), "schema": schema}
        for name, schema in properties.items()
    ]


def _read(values: Sequence[object], kind: Any) -> Any:
    """Returns the one value as a value of this type. Raises ValueError with what is wrong with it."""
    value = str(values[0])
    if len(values) > 1:
        raise ValueError("Must be given once.")
    if not value:
        raise ValueError("Must not be empty.")
    if len(value) > MAX_VALUE:
        raise ValueError(f"Must have at most {MAX_VALUE:,} characters.")
    if "\x00" in value or "\ufffd" in value:  # Django puts the latter in place of what is no UTF-8
        raise ValueError("Must be UTF-8 without NUL.")
    for given in (value, int(value)) if NUMBER.fullmatch(value) else (value,):
        with suppress(msgspec.ValidationError):
            return msgspec.convert(given, kind)
    raise ValueError(_must(kind))


def _must(kind: Any) -> str:
    """Returns the answer to a wrong value of this type. The Meta may be that of one type in a union with UNSET."""
    metas = next(part.__metadata__ for part in (kind, *get_args(kind)) if hasattr(part, "__metadata__"))
    return str(metas[-1].extra["must"])
