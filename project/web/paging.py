"""Pages that neither skip nor repeat rows while new ones arrive: a cursor names the row next to the page."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from notifications.messages.message import Invalid
from project.web.query import read_query

PARAMETERS = ("cursor", "page_size")
CURSOR = re.compile(r"\A(after|before)\.(.+)\Z", re.DOTALL)


class CursorPages(BasePagination):
    """Rows in the order of one unique column; subclasses say which, and what its values look like."""

    field: ClassVar[str]
    descending: ClassVar[bool]
    value: ClassVar[re.Pattern[str]]
    default_size: ClassVar[int] = 50
    max_size: ClassVar[int] = 500
    most_read: ClassVar[int | None] = None  # rows for a page, where the view's `narrow` may leave out nearly all

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        query = read_query(request, {*PARAMETERS, *getattr(view, "filters", ())})
        size = self._size(query.get("page_size"))
        direction, value = self._cursor(query.get("cursor"))
        backwards = direction == "before"
        descending = self.descending is not backwards
        if value:
            queryset = queryset.filter(**{f"{self.field}__{'lt' if descending else 'gt'}": value})
        queryset = queryset.order_by(f"{'-' if descending else ''}{self.field}")
        end = self._last_to_read(queryset)
        if end is not None:
            queryset = queryset.filter(**{f"{self.field}__{'gte' if descending else 'lte'}": end})
        rows = list(getattr(view, "narrow", _all)(queryset)[: size + 1])
        more, rows = len(rows) > size, rows[:size]
        onward = self._at(rows[-1]) if more else end  # in the direction of reading; None: nothing is left
        if backwards:
            rows.reverse()
        self.url = request.get_full_path()
        if backwards:
            self.previous, self.next = self._link("before", onward), self._link("after", rows and self._at(rows[-1]))
        else:
            self.next = self._link("after", onward)
            self.previous = self._link("before", rows and value and self._at(rows[0]))
        return rows

    def _last_to_read(self, ordered: QuerySet[Any]) -> Any:
        """The value of the last row that this page may read; None where there are no more rows than that."""
        if self.most_read is None:
            return None
        return ordered.values_list(self.field, flat=True)[self.most_read - 1 : self.most_read].first()

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self.next, "previous": self.previous, "results": data})

    def _size(self, said: str | None) -> int:
        if said is None:
            return self.default_size
        if not re.fullmatch(r"[0-9]{1,4}", said) or not 1 <= int(said) <= self.max_size:
            raise Invalid({"page_size": [f"Must be a whole number from 1 to {self.max_size}."]})
        return int(said)

    def _cursor(self, said: str | None) -> tuple[str, str]:
        if said is None:
            return "after", ""
        found = CURSOR.match(said)
        if found is None or not self.value.fullmatch(found[2]):
            raise Invalid({"cursor": ["Must be a cursor from the next or previous of an answer."]})
        return found[1], found[2]

    def _at(self, row: Any) -> Any:
        return getattr(row, self.field)

    def _link(self, direction: str, value: Any) -> str | None:
        """The address of the page that begins beside this value; None without one."""
        return str(replace_query_param(self.url, "cursor", f"{direction}.{value}")) if value else None

    def get_schema_operation_parameters(self, _view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": "cursor",
                "in": "query",
                "schema": {"type": "string"},
                "description": "From the `next` or `previous` of an answer.",
            },
            {
                "name": "page_size",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": self.max_size, "default": self.default_size},
            },
        ]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri-reference", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }


def _all(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows


UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


class NewestFirst(CursorPages):
    """Ids are UUIDv7, so their order is that of acceptance.

    No index leads to the rows of one client: it would cost every notification 8 µs (docs/performance.md). A page
    reads so many rows of all clients at the most, and `next` goes on from there.
    """

    most_read = 10_000

    field = "id"
    descending = True
    value = UUID_TEXT


class ByUsername(CursorPages):
    field = "username"
    descending = False
    value = re.compile(r"[^\s/\x00-\x1f\x7f]{1,150}")
