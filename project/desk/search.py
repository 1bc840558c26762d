"""Exact search: never a walk through a table. In the ledger by receiver, user, reference or id."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from notifications.channels import channel_class, channel_names
from notifications.messages.ids import receiver_hash
from project.desk.audit import MOST_AT_ONCE
from project.desk.base import MOST_TYPED, DeskAdmin, is_list
from project.desk.spelling import as_id, spellings

MOST_MATCHES = 1_000  # of a search, in a list; a verb for all that match reaches as many as a verb takes
HELP = "Receiver (+49 …), user, reference, id"  # a number without its country code could be in any country

M = TypeVar("M", bound=Model)


class ExactSearch(DeskAdmin[M]):
    """For a list: `find` narrows it to what was typed, which is stripped and neither empty, long nor holds a NUL."""

    @abstractmethod
    def find(self, queryset: QuerySet[M], term: str, most: int) -> QuerySet[M]:
        """The rows of `queryset`, which the filters have narrowed already; of many, the first `most` and one more."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if "\x00" in term or len(term) > MOST_TYPED:
            return queryset.none(), False
        return self.find(queryset, term, MOST_MATCHES if is_list(request) else MOST_AT_ONCE), False

    def get_paginator(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Paginator[M]:
        """A list that was searched ends after `MOST_MATCHES`, and says so."""
        paginator = super().get_paginator(request, *args, **kwargs)
        if is_list(request) and request.GET.get("q", "").strip():
            vars(paginator)["most"] = MOST_MATCHES
        return paginator


def notification_matches(term: str, prefix: str = "") -> Iterator[Q]:
    """A condition for each thing the term could be, apart so that each uses its index.

    `prefix` is the way to the notification, such as "notification__".
    """
    hashes = [
        receiver_hash(name, spelling)
        for spelling in spellings(term)
        for name in channel_names()
        if channel_class(name).receiver_problem(spelling) is None
    ]
    if hashes:
        yield Q(**{f"{prefix}receiver_hash__in": hashes})
    if found := as_id(term):
        yield Q(**{f"{prefix}id": found})
    # The indexes of both columns leave out the empty ones.
    yield Q(**{f"{prefix}user": term}) & ~Q(**{f"{prefix}user": ""})
    yield Q(**{f"{prefix}reference": term}) & ~Q(**{f"{prefix}reference": ""})


def first_matches(queryset: QuerySet[M], matches: Iterable[Q], most: int) -> QuerySet[M]:
    """The first rows of `queryset`, in its order, that fit any of `matches`: `most` of each, and one more.

    They are looked for one by one so that each uses its index, among the rows that the filters left, so that the
    bound never hides a row that fits. The row beyond the bound lets the list say that there are more.
    """
    found: set[Any] = set()
    for match in matches:
        found.update(queryset.filter(match).values_list("pk", flat=True)[: most + 1])
    return queryset.filter(pk__in=found)
