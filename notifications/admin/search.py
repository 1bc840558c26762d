"""Exact search: never a walk through a table. In the ledger by receiver, user, reference or id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from notifications.channels import channel_class, channel_names
from notifications.message import receiver_hash

MOST_MATCHES = 1_000  # of each kind, the newest
HELP = "Exact receiver, user, reference or id"


class ExactSearch:
    """For a list: `find` narrows it to what was typed, which is stripped and neither empty nor holds a NUL."""

    find: Callable[[QuerySet[Any], str], QuerySet[Any]]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        return (queryset.none() if "\x00" in term else self.find(queryset, term)), False


def notification_matches(term: str, prefix: str = "") -> Iterator[Q]:
    """A condition for each thing the term could be, apart so that each uses its index.

    `prefix` is the way to the notification, such as "notification__".
    """
    if len(term) > 1024:
        return
    hashes = [
        receiver_hash(name, term) for name in channel_names() if channel_class(name).receiver_problem(term) is None
    ]
    if hashes:
        yield Q(**{f"{prefix}receiver_hash__in": hashes})
    if found := as_id(term):
        yield Q(**{f"{prefix}id": found})
    # The indexes of both columns leave out the empty ones.
    yield Q(**{f"{prefix}user": term}) & ~Q(**{f"{prefix}user": ""})
    yield Q(**{f"{prefix}reference": term}) & ~Q(**{f"{prefix}reference": ""})


def newest(rows: QuerySet[Any], matches: Iterable[Q]) -> set[Any]:
    """The keys of the newest rows of each match, looked for one by one so that each uses its index."""
    found: set[Any] = set()
    for match in matches:
        found.update(rows.filter(match).order_by("-id").values_list("pk", flat=True)[:MOST_MATCHES])
    return found


def as_id(term: str) -> UUID | None:
    """The notification id that the term spells, or None."""
    try:
        return UUID(term)
    except ValueError:
        return None
