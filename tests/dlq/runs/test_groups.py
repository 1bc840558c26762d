"""The dry run: each letter in one group, and which of them go."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dlq.models import DeadLetter
from dlq.runs.groups import Trait, dry_run
from dlq.selection import Selection
from tests.dlq.runs.beginning import also, expired, many, of_each_kind

pytestmark = pytest.mark.django_db


def test_the_question_counts_each_letter_once() -> None:
    of_each_kind()
    dry = dry_run(Selection(state=""))
    assert dry.never == {"sensitive": 1, "sent": 1, "on-its-way": 1, "discarded": 1, "unreadable": 1}
    assert {trait.word: dry.first(trait) for trait in Trait} == {trait.word: 1 for trait in Trait}
    assert (dry.fresh, dry.total, dry.more) == (1, 11, False)
    assert dry.last == max(DeadLetter.objects.values_list("pk", flat=True))


def test_a_letter_goes_only_where_all_its_traits_are_ticked() -> None:
    also(expired(), uncertain=True, repeats=2)
    dry = dry_run(Selection())
    assert (dry.first(Trait.EXPIRED), dry.first(Trait.UNCERTAIN)) == (1, 0)
    assert dry.others(Trait.EXPIRED) == [(Trait.UNCERTAIN, 1), (Trait.REPEATED, 1)]
    assert dry.going(["fresh", "expired", "uncertain"]) == 0
    assert dry.going(["expired", "uncertain", "died-twice"]) == 1


def test_a_dry_run_is_one_statement_and_two_small_ones() -> None:
    of_each_kind()
    with CaptureQueriesContext(
        connection,
    ) as queries:
        dry_run(Selection())
    assert len(queries) == 3, [query["sql"] for query in queries]


def test_a_question_about_too_many_names_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlq.runs.groups.MOST_IN_A_RUN", 3)
    letters = many(5)
    dry = dry_run(Selection())
    assert (dry.total, dry.more, dry.last) == (3, True, letters[2].pk)
