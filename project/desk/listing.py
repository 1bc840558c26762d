"""Lists that stay cheap on big tables, take only the parameters of their filters, and show what they leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import PAGE_VAR
from django.db import OperationalError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from project.database.dialects import bounded_reading
from project.database.refusals import took_too_long
from project.desk.unfold import ChangeList, Paginator

SHOWN_OF_WRONG_INPUT = 20  # characters
LONGEST_CHIP = 80
COUNT_SECONDS = 0.2  # for which a page waits for its number of rows
TOO_SLOW = "too_slow"  # the mark of a request


def is_too_slow(request: HttpRequest) -> bool:
    """Returns True once the rows that this request asks for took too long to find."""
    return bool(vars(request).get(TOO_SLOW))


class BoundedPaginator(Paginator[Any]):
    """A paginator that counts no further than `most`, so that pages of tables with millions of rows stay cheap.

    Where PostgreSQL takes long even for that, nothing is known but the rows of the page (`counted` is None).
    """

    template_name = "desk/pagination.html"
    most = 10_000

    @cached_property
    def counted(self) -> int | None:
        rows = cast("QuerySet[Any]", self.object_list)
        try:
            with bounded_reading(COUNT_SECONDS):
                return rows.order_by()[: self.most + 1].count()
        except OperationalError as error:
            if took_too_long(error):
                return None
            raise

    @property
    def count(self) -> int:
        return self.most if self.counted is None else min(self.counted, self.most)

    @property
    def more(self) -> bool:
        return self.counted is None or self.counted > self.most

    @property
    def count_in_words(self) -> str:
        """The number of rows that the list reaches, such as "The newest 1,000 of more"."""
        if self.counted is None:
            return "not counted"
        if not self.more:
            return f"{self.count:,}"
        order = cast("QuerySet[Any]", self.object_list).query.order_by
        return f"The {'newest' if order[:1] == ('-id',) else 'first'} {self.count:,} of more"


@dataclass(frozen=True, slots=True)
class ShownChip:
    """An active filter, and the address of the list without it."""

    name: str
    words: str
    address: str


class DeskList(ChangeList):
    """Django's list, but with the last page where the page asked for does not exist.

    `chips` are its active filters. The rows of the page are read here, so that a statement that takes too long ends
    before anything is shown.
    """

    chips: list[ShownChip]

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        about = ", ".join(chip.words for chip in self.chips)
        name = str(self.opts.verbose_name_plural).capitalize()
        self.title = f"{name}{': ' if about else ''}{about}, {self.paginator.count_in_words}"

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        found = super().get_queryset(request, *args, **kwargs)
        return found.none() if is_too_slow(request) else found

    def get_results(self, request: HttpRequest) -> None:
        asked = request.GET.get(PAGE_VAR) or "1"
        try:
            super().get_results(request)
        except IncorrectLookupParameters:
            paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)
            self.page_num = paginator.num_pages
            super().get_results(request)
        if not self.multi_page:
            self.page_num = 1
        if asked != str(self.page_num):
            last = self.paginator.num_pages
            messages.warning(request, f"There is no page {asked[:SHOWN_OF_WRONG_INPUT]}; the last is {last}.")
        self.chips = shown_chips(self.filter_specs, request)
        self.too_slow = is_too_slow(request)
        found = self.result_list if self.result_count else self.queryset.none()  # none is not looked for twice
        self.result_list = cast("Any", self.model_admin).rows_of_page(request, found)
        if self.paginator.counted is None and self.page_num == 1 and len(self.result_list) < self.list_per_page:
            self._count_page()

    def _count_page(self) -> None:
        """Takes the number of rows from the first page, where all of them are on it."""
        self.result_count = len(self.result_list)
        self.multi_page = False
        vars(self.paginator)["counted"] = self.result_count

    def get_ordering_field(self, field_name: Any) -> Any:
        """Returns the column to sort by, or None for one that is not offered: it may be masked, or have no index."""
        return super().get_ordering_field(field_name) if field_name in (self.sortable_by or ()) else None


def shown_chips(specs: list[Any], request: HttpRequest) -> list[ShownChip]:
    """Returns the active filters of a list, each with the address that leaves it out."""
    found = []
    for spec in specs:
        for chip in spec.chips(request.GET) if hasattr(spec, "chips") else ():
            rest = request.GET.copy()
            rest.pop(PAGE_VAR, None)
            for name, value in chip.without.items():
                rest.pop(name, None)
                if value is not None:
                    rest[name] = value
            found.append(ShownChip(chip.name, chip.words[:LONGEST_CHIP], f"?{rest.urlencode()}"))
    return found


def filter_parameters(model_admin: Any, request: HttpRequest) -> set[str]:
    """Returns the names of the query parameters that the list's filters read."""
    names: set[str] = set()
    for each in model_admin.get_list_filter(request):
        if isinstance(each, tuple):
            path, kind = each
            field = get_fields_from_path(model_admin.model, path)[-1]
            spec = kind(field, request, {}, model_admin.model, model_admin, field_path=path)
        else:
            spec = each(request, {}, model_admin.model, model_admin)
        names.update(spec.expected_parameters())
    return names
