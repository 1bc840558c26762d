"""Filters of the admin's lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any, cast

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from notifications.models import NotificationQuerySet
from project.desk.audit import printed
from project.desk.unfold import DropdownFilter, RangeDateTimeFilter
from project.desk.unfold import TextFilter as UnfoldTextFilter

Choices = Callable[[], list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Chip:
    """One active filter above a list. `without` are the query parameters that end it; None takes one away."""

    name: str
    words: str
    without: Mapping[str, str | None]


class WordFilter(DropdownFilter):
    """A filter by one word of a closed list."""

    words: Choices
    field: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return type(self).words()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        word = self.value()
        if not word:
            return queryset
        known = any(word == name for name, _ in type(self).words())
        return self.chosen(queryset, word) if known else queryset.none()

    def chosen(self, queryset: QuerySet[Any], word: str) -> QuerySet[Any]:
        return queryset.filter(**{self.field: word})

    def chips(self, given: Mapping[str, str]) -> list[Chip]:
        """Returns what is chosen, in words."""
        word = given.get(str(self.parameter_name), "")
        text = dict(type(self).words()).get(word, word)
        return [Chip(str(self.title), text, {str(self.parameter_name): None})] if word else []


def word_filter(name: str, words: Choices, *, field: str = "", title: str = "") -> type[WordFilter]:
    """Returns a filter `?name=word` on `field`, or on the column `name`."""
    body = {"title": title or name, "parameter_name": name, "words": staticmethod(words), "field": field or name}
    return type(f"{name.capitalize()}Filter", (WordFilter,), body)


class TextFilter(UnfoldTextFilter):
    """A filter by a text that a column must be equal to."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        text = (self.value() or "").strip()
        if not text:
            return queryset
        return queryset.none() if "\x00" in text else queryset.filter(**{str(self.parameter_name): text})

    def chips(self, given: Mapping[str, str]) -> list[Chip]:
        """Returns what was typed."""
        text = given.get(str(self.parameter_name), "").strip()
        return [Chip(str(self.title), text, {str(self.parameter_name): None})] if text else []


class TimeRange(RangeDateTimeFilter):
    """A filter from one time, inclusive, until another, exclusive, in the site's zone. A date alone is its midnight."""

    words_of_ends = ("since", "before")

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        since, until = self.moment("from"), self.moment("to")
        if since:
            queryset = self.not_before(queryset, since)
        return self.before(queryset, until) if until else queryset

    def not_before(self, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.field_path}__gte": moment})

    def before(self, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return queryset.filter(**{f"{self.field_path}__lt": moment})

    def moment(self, end: str) -> datetime | None:
        return typed_moment(self.used_parameters, self.field_path, end)

    def chips(self, given: Mapping[str, str]) -> list[Chip]:
        """Returns the ends that are chosen and can be read."""
        ends = zip(self.words_of_ends, ("from", "to"), strict=True)
        found = [(words, end, typed_moment(given, self.field_path, end)) for words, end in ends]
        return [
            Chip(words, printed(moment), {f"{self.field_path}_{end}_{part}": None for part in (0, 1)})
            for words, end, moment in found
            if moment
        ]


def typed_moment(given: Mapping[str, Any], name: str, end: str) -> datetime | None:
    """Returns the time at this end ("from", "to") in UTC, or None where it cannot be read or is in no calendar."""
    typed = [given.get(f"{name}_{end}_{part}") for part in (0, 1)]
    try:
        day = date.fromisoformat(str(typed[0]))
        hour = time.fromisoformat(str(typed[1])) if typed[1] else time.min
        return timezone.make_aware(datetime.combine(day, hour.replace(tzinfo=None))).astimezone(UTC)
    except (ValueError, OverflowError):  # midnight of 0001-01-01 in Tokyo is in the year before the first
        return None


class AcceptedRange(TimeRange):
    """A filter by the time of acceptance. It uses the primary key, because ids contain that time."""

    def not_before(self, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return cast("NotificationQuerySet", queryset).since(moment)

    def before(self, queryset: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
        return cast("NotificationQuerySet", queryset).until(moment)
