"""Query parameters: read strictly, because a filter that is silently dropped shows everybody everything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rest_framework.request import Request

from notifications.messages.explain import Errors
from notifications.messages.message import Invalid

MAX_VALUE = 1_024


def read_query(request: Request, allowed: Iterable[str]) -> dict[str, str]:
    """The query parameters, each given once. Raises Invalid, naming those that are not `allowed` or unreadable."""
    errors: Errors = {}
    query: dict[str, str] = {}
    for name, values in request.query_params.lists():
        problem = "Unknown parameter." if name not in allowed else _value_problem(values)
        if problem:
            errors[name[:100]] = [problem]
        else:
            query[name] = str(values[0])
    if errors:
        raise Invalid(errors)
    return query


def _value_problem(values: Sequence[object]) -> str | None:
    value = str(values[0])
    if len(values) > 1:
        return "Must be given once."
    if not value:
        return "Must not be empty."
    if len(value) > MAX_VALUE:
        return f"Must have at most {MAX_VALUE:,} characters."
    if "\x00" in value or "\ufffd" in value:  # Django puts the latter in place of what is no UTF-8
        return "Must be UTF-8 without NUL."
    return None
