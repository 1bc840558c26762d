"""What the list of letters can be asked: its query parameters, and the one selection that they mean."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from dlq.models import DeadLetter, Problem
from dlq.selection import Selection
from notifications.channels import channel_choices
from project.desk.base import MOST_TYPED
from project.desk.filters import Chip, Choices, TextFilter, TimeRange, WordFilter, typed_moment
from project.desk.in_words import choices_in_words, in_words

NO_LETTER = 0  # the number of none
LONGEST_NUMBER = 18  # digits of a bigint that surely fits
# What the words of a filter mean, as fields of the selection.
WORDS: dict[str, dict[str, dict[str, Any]]] = {
    "expired": {"yes": {"expired": True}, "no": {"expired": False}},
    "uncertain": {"yes": {"uncertain": True}, "no": {"uncertain": False}},
    "again": {"yes": {"deaths": 2}, "same": {"repeats": 2}},
}
TEXTS = ("channel", "cause", "provider", "client", "category", "user", "domain")


class _Kept:
    """A filter that only shows what is chosen. `selection_of` reads its parameters, and the list takes the rows."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset


class StateFilter(_Kept, WordFilter):
    """Open letters, unless another state is chosen or something is searched."""

    title = "state"
    parameter_name = "state"
    field = "state"
    all_option = None

    @staticmethod
    def words() -> list[tuple[str, str]]:
        closed = [(value, in_words("state", value)) for value in DeadLetter.State.values if value != "open"]
        return [("", "open"), *closed, ("all", "all")]

    def chips(self, given: Mapping[str, str]) -> list[Chip]:
        state = _state(given)
        return [] if state == "all" else [Chip("state", in_words("state", state), {"state": "all"})]


class ProblemFilter(_Kept, TextFilter):
    title = "number of the problem"
    parameter_name = "problem"

    def chips(self, given: Mapping[str, str]) -> list[Chip]:
        return [Chip("problem", _of_problem(chip.words), chip.without) for chip in super().chips(given)]


class DiedRange(_Kept, TimeRange):
    words_of_ends = ("died since", "died before")


def _word(name: str, title: str, words: Choices) -> type[WordFilter]:
    body = {"title": title, "parameter_name": name, "words": staticmethod(words), "field": name}
    return type(f"{name.capitalize()}Filter", (_Kept, WordFilter), body)


def _text(name: str, title: str) -> type[TextFilter]:
    return type(f"{name.capitalize()}Filter", (_Kept, TextFilter), {"title": title, "parameter_name": name})


def _yes_or_no() -> list[tuple[str, str]]:
    return [(word, word) for word in WORDS["expired"]]


FILTERS: tuple[Any, ...] = (
    StateFilter,
    _word("channel", "channel", channel_choices),
    _word("cause", "cause", partial(choices_in_words, "cause")),
    ProblemFilter,
    _text("category", "category"),
    _text("client", "client"),
    _text("domain", "domain of the address"),
    _text("user", "user"),
    _text("provider", "provider"),
    _word("expired", "expired", _yes_or_no),
    _word("uncertain", "may have arrived", _yes_or_no),
    _word("again", "died again", lambda: [("yes", "twice or more"), ("same", "of the same cause")]),
    _text("run", "number of the run"),
    _text("mending", "number of the correction"),
    ("died_at", DiedRange),
)


def selection_of(request: HttpRequest) -> Selection:
    """Returns the letters that the list's address asks for: what is shown, counted, replayed and exported.

    An address that nobody understands selects none, so that a slip never selects all.
    """
    given = request.GET
    state, term = _state(given), given.get("q", "").strip()
    fields: dict[str, Any] = {name: given.get(name, "").strip() for name in TEXTS}
    readable = all(map(_is_possible, (*fields.values(), state, term)))
    for name, words in WORDS.items():
        if word := given.get(name):
            readable = readable and word in words
            fields |= words.get(word, {})
    if not readable:
        return Selection(ids=(NO_LETTER,))
    return Selection(
        state="" if state == "all" else state,
        problem=_id(given, "problem"),
        run=_id(given, "run"),
        mending=_id(given, "mending"),
        died_from=typed_moment(given, "died_at", "from"),
        died_to=typed_moment(given, "died_at", "to"),
        term=term,
        **fields,
    )


def number(text: str) -> int | None:
    """Returns the number of a letter, such as "#12" or "12"; None for what is none."""
    digits = text.strip().removeprefix("#")
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_NUMBER else None


def _state(given: Mapping[str, str]) -> str:
    """Returns the state that is shown: of a search every one, otherwise the open ones, unless one is chosen."""
    return given.get("state") or ("all" if given.get("q", "").strip() else DeadLetter.State.OPEN.value)


def _id(given: Mapping[str, str], name: str) -> int | None:
    return (number(given[name]) or NO_LETTER) if given.get(name) else None


def _is_possible(text: str) -> bool:
    return len(text) <= MOST_TYPED and "\x00" not in text


def _of_problem(typed: str) -> str:
    problem = Problem.objects.filter(pk=number(typed) or NO_LETTER).first()
    if problem is None:
        return f"{typed} (there is none)"
    return ", ".join(filter(None, (in_words("cause", problem.cause), problem.provider, problem.fingerprint)))
