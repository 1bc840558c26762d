"""Exact search by an index: notifications by receiver, user, reference or id."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from notifications.channels import channel_class, channel_names
from notifications.messages.ids import receiver_hashes
from project.desk.audit import MOST_AT_ONCE
from project.desk.base import MOST_TYPED, DeskAdmin, is_list
from project.desk.spelling import as_id, beginning_of_id, spellings

MOST_MATCHES = 1_000  # of a search, in a list; a verb for all that match reaches as many as a verb takes
HELP = "Receiver (+49 …), user, reference, id"  # a number without its country code could be in any country

M = TypeVar("M", bound=Model)


class ExactSearch(DeskAdmin[M]):
    """A list with a search. `find` gets what was typed: stripped, not empty, not long, and without NUL."""

    @abstractmethod
    def find(self, queryset: QuerySet[M], term: str, most: int) -> QuerySet[M]:
        """Returns the first `most` rows of `queryset` that match, and one more. The filters were applied before."""

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
        """Returns a paginator that ends after `MOST_MATCHES` where something was searched."""
        paginator = super().get_paginator(request, *args, **kwargs)
        if is_list(request) and request.GET.get("q", "").strip():
            vars(paginator)["most"] = MOST_MATCHES
        return paginator


def receivers_of(term: str) -> list[tuple[str, str]]:
    """Returns (channel, receiver) for each receiver that the term can mean."""
    found = spellings(term)
    return [
        (name, spelling)
        for name in channel_names()
        for spelling in found
        if channel_class(name).receiver_problem(spelling) is None
    ]


def hashes_of(receivers: Iterable[tuple[str, str]]) -> list[str]:
    """Returns every hash under which rows can have these receivers, each once."""
    return list(dict.fromkeys(each for channel, address in receivers for each in receiver_hashes(channel, address)))


def notification_matches(term: str, prefix: str = "") -> Iterator[Q]:
    """Yields a condition for each meaning that the term can have, one by one so that each uses its index.

    `prefix` leads to the notification, such as "notification__".
    """
    for each in hashes_of(receivers_of(term)):  # the index has only the rows of one hash in the order of ids
        yield Q(**{f"{prefix}receiver_hash": each})
    if found := as_id(term):
        yield Q(**{f"{prefix}id": found})
    if ends := beginning_of_id(term):
        yield Q(**{f"{prefix}id__range": ends})
    # The indexes of both columns leave out the empty ones.
    yield Q(**{f"{prefix}user": term}) & ~Q(**{f"{prefix}user": ""})
    for reference in dict.fromkeys((term, term.lower(), term.upper())):  # an index for any case would cost each claim
        yield Q(**{f"{prefix}reference": reference}) & ~Q(**{f"{prefix}reference": ""})


def first_matches(queryset: QuerySet[M], matches: Iterable[Q], most: int) -> QuerySet[M]:
    """Returns the first rows of `queryset`, in its order, that fit any of `matches`: `most` of each, and one more.

    Each condition is a query of its own, so that it uses its index. The filters come first, so that the bound never
    hides a row that fits them. The one row more lets the list show that there are others.
    """
    found: set[Any] = set()
    for match in matches:
        found.update(queryset.filter(match).values_list("pk", flat=True)[: most + 1])
    return queryset.filter(pk__in=found)
