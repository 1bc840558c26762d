"""Lists in pages that neither skip nor repeat rows while new ones arrive: a cursor names the row next to the page.

docs/adr/0023 says why this is not the REST framework's CursorPagination.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from django.db import connection
from django.db.models import Model, QuerySet
from rest_framework.generics import ListAPIView
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from project.database.dialects import bounded_reading
from project.web.query import PageQuery, describe, read_query

M = TypeVar("M", bound=Model)


class PagedList(ListAPIView[M]):
    """A list whose query is read before anything else, and whose statements end in bounded time."""

    shape: ClassVar[type[PageQuery]] = PageQuery
    query: PageQuery

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with bounded_reading():
            self.query = read_query(request, self.shape)
            return self.list(request, *args, **kwargs)

    def head(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """As Django has it, which would else set the bound method on each view.

        That is a cycle: the view and its request, also of a POST, would stay in memory until the collector looks.
        """
        return self.get(request, *args, **kwargs)

    def narrow(self, rows: Any) -> Any:
        """Returns those of the rows that are shown. A page reads `most_read` rows however few of them are."""
        return rows

    def parts(self, rows: Any) -> Sequence[Any]:
        """Returns the rows in parts that have none in common, each of which an index has in the order of the list."""
        return [rows]


class CursorPages(BasePagination):
    """Rows in the order of one unique column; subclasses say which, and their lists what its values look like."""

    field: ClassVar[str]
    descending: ClassVar[bool]
    most_read: ClassVar[int | None] = None  # rows for a page, where the view's `narrow` may leave out nearly all

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        size = view.query.page_size
        direction, _, start = (view.query.cursor or "after.").partition(".")
        backwards = direction == "before"
        descending = self.descending is not backwards
        order = f"{'-' if descending else ''}{self.field}"
        if start:
            queryset = queryset.filter(**{f"{self.field}__{'lt' if descending else 'gt'}": start})
        end = self._last_to_read(view.parts(queryset), order)
        if end:
            queryset = queryset.filter(**{f"{self.field}__{'gte' if descending else 'lte'}": end})
        rows = list(_merged(view.parts(view.narrow(queryset)), order, size + 1)[: size + 1])
        values = [getattr(row, self.field) for row in rows[:size]]
        onward = values[-1] if len(rows) > size else end  # None where nothing is left
        back = values[0] if values and start else None
        self.links = {
            "next": _link(request, "after", back if backwards else onward),
            "previous": _link(request, "before", onward if backwards else back),
        }
        return rows[:size][::-1] if backwards else rows[:size]

    def get_paginated_response(self, data: Any) -> Response:
        return Response(self.links | {"results": data})

    def _last_to_read(self, parts: Sequence[QuerySet[Any]], order: str) -> Any:
        """The value of the last row that this page may read; None where there are no more rows than that."""
        if self.most_read is None:
            return None
        values = _merged([part.values_list(self.field, flat=True) for part in parts], order, self.most_read)
        return values[self.most_read - 1 : self.most_read].first()

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return describe(view.shape)

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri-reference", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }


def _merged(parts: Sequence[QuerySet[Any]], order: str, most: int) -> QuerySet[Any]:
    """The rows of all parts together in this order, of which the caller takes no more than the first `most`.

    PostgreSQL reads a part along its index only where it has a limit of its own. SQLite takes none there, and merges.
    """
    if len(parts) == 1:
        return parts[0].order_by(order)
    limited = connection.features.supports_slicing_ordering_in_compound
    first, *others = [part.order_by(order)[:most] if limited else part.order_by() for part in parts]
    return first.union(*others, all=True).order_by(order)


def _link(request: Request, direction: str, value: Any) -> str | None:
    """The address of the page on that side of this value; None without one."""
    return str(replace_query_param(request.get_full_path(), "cursor", f"{direction}.{value}")) if value else None


class NewestFirst(CursorPages):
    """Ids are UUIDv7, so their order is that of acceptance.

    No index leads to the rows of one client: it would cost every notification 8 µs (docs/performance.md). A page
    reads so many rows of all clients at the most, and `next` goes on from there.
    """

    field = "id"
    descending = True
    most_read = 10_000


class ByUsername(CursorPages):
    field = "username"
    descending = False
