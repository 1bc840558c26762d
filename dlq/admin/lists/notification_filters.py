"""The filters of the list of notifications. Each says which index of the ledger it uses, or that it has none."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

from django.db.models import QuerySet

from notifications.channels import channel_choices
from notifications.ledger import leases
from notifications.messages.words import TAKEN, Is, Status, statuses
from notifications.models import NotificationQuerySet
from project.desk.filters import AcceptedRange, TextFilter, WordFilter, word_filter
from project.desk.in_words import choices_in_words

MOST_LEASED = 10_000  # rows under way that are looked at


class StatusFilter(WordFilter):
    """By `listed`. What is being sent is in no index, but every such row is in a lease."""

    title = "status"
    parameter_name = "status"
    words = staticmethod(partial(choices_in_words, "status"))

    def chosen(self, queryset: QuerySet[Any], word: str) -> QuerySet[Any]:
        status = Status(word)
        if status is Status.QUEUED:
            return queryset.filter(listed__in=(Status.QUEUED, TAKEN))
        if status is Status.SENDING:
            return queryset.filter(pk__in=leases.newest(MOST_LEASED), status=status)
        return cast("NotificationQuerySet", queryset).with_status(status)


class CauseFilter(WordFilter):
    """By the last cause, among notifications that are not delivered. The causes of others are in attempts."""

    title = "cause (not delivered)"
    parameter_name = "cause"
    words = staticmethod(partial(choices_in_words, "cause"))

    def chosen(self, queryset: QuerySet[Any], word: str) -> QuerySet[Any]:
        return queryset.filter(last_cause=word, listed__in=statuses(Is.RARE))


class ReasonFilter(WordFilter):
    """By the reason, among waiting rows, for only they have one."""

    title = "reason (waiting)"
    parameter_name = "reason"
    words = staticmethod(partial(choices_in_words, "reason"))

    def chosen(self, queryset: QuerySet[Any], word: str) -> QuerySet[Any]:
        return queryset.filter(reason=word, listed=Status.WAITING)


class AcceptedBetween(AcceptedRange):
    words_of_ends = ("accepted since", "accepted before")


def _text(name: str) -> type[TextFilter]:
    """A filter without an index: it walks the rows from the newest, for as long as a page may take."""
    return type(f"{name.capitalize()}Filter", (TextFilter,), {"title": name, "parameter_name": name})


FILTERS: tuple[Any, ...] = (
    StatusFilter,
    word_filter("channel", channel_choices),
    ReasonFilter,
    CauseFilter,
    _text("category"),
    _text("client"),
    ("accepted_at", AcceptedBetween),
)
