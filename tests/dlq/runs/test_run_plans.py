"""The plans of a run's statements on PostgreSQL: what it looks at in every step must not grow with the table."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, QuerySet

from dlq.models import DeadLetter, Problem, Run
from dlq.runs.groups import classified
from dlq.selection import Selection
from project.database.dialects import fetch
from tests.dlq.runs.beginning import State

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]
LETTERS = 20_000
FIRST_OF_RUN = 19_900


@pytest.fixture
def run() -> Run:
    """Many letters that are closed, of which the last hundred belong to the run; some are open, with a problem."""
    run = Run.objects.create(actor="anna", selection={}, last_letter=LETTERS)
    problem = Problem.objects.create(
        cause="timeout", fingerprint="f", version=1, first_seen=run.created_at, last_seen=run.created_at
    )
    fetch(
        'INSERT INTO dlq_deadletter (state, channel, cause, error, attempts, topic, partition, "offset", deaths,'
        ' repeats, discard_reason, provider, client, category, "user", receiver_hash, uncertain, receiver_domain,'
        " was_receiver_hash, died_at, changed_at, run_id, problem_id)"
        " SELECT CASE WHEN n %% 200 = 0 THEN 'open' ELSE 'resolved' END, 'SMS', 'timeout', '', 6, 't', 0, n, 1, 1, '',"
        " 'smtp', '', '', '', '', false, '', '', now(), now(), CASE WHEN n > %s THEN %s END,"
        " CASE WHEN n %% 200 = 0 THEN %s END FROM generate_series(1, %s) AS n",
        [FIRST_OF_RUN, run.pk, problem.pk, LETTERS],
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE dlq_deadletter")
    return run


def plan(rows: QuerySet[Any, Any]) -> str:
    return str(rows.explain())


def test_what_became_of_its_letters_is_counted_by_their_index(run: Run) -> None:
    mine = DeadLetter.objects.filter(run=run).order_by()
    for rows in (mine.values("state").annotate(Count("pk")), mine.filter(state=State.OPEN).values("cause")):
        assert "letter_run" in plan(rows), plan(rows)


def test_the_next_letters_of_a_problem_are_found_by_its_index(run: Run) -> None:
    problem = Problem.objects.get()
    rows = classified(
        Selection(problem=problem.pk).rows().filter(pk__gt=0, pk__lte=DeadLetter.objects.latest("pk").pk), run=run.pk
    )
    assert "letter_problem" in plan(rows.values("pk", "kind")[:500])


def test_what_a_stop_takes_back_is_found_by_the_index_of_the_run(run: Run) -> None:
    replaying = DeadLetter.objects.filter(run=run, state=State.REPLAYING)
    assert "letter_run" in plan(replaying.order_by("id").values("pk")[:500])
