"""The plans of what problems read and write, on PostgreSQL: no statement walks the letters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from dlq.models import DeadLetter, Problem
from dlq.problems import assigning as problems
from dlq.problems import counts as problem_counts
from notifications.channels.outcomes import Cause
from notifications.models import Standing
from project.database.dialects import fetch
from tests.desk import logged_in, staff
from tests.plans import Node, explained

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]
LETTERS = 20_000
TABLE = "dlq_deadletter"


@pytest.fixture
def many_letters(db: None) -> None:
    """20,000 letters of 40 problems, a tenth of them closed, and 3,000 without a problem; with statistics."""
    template = DeadLetter.objects.create(cause=Cause.TIMEOUT, channel="EMAIL")
    for number in range(40):
        DeadLetter.objects.filter(pk=template.pk).update(error=f"{'x' * (number % 20)} {'no' * (1 + number // 20)}")
        problems.assign_all()
        DeadLetter.objects.update(problem=None)
    columns = [
        field.column for field in DeadLetter._meta.concrete_fields if field.column not in ("id", "notification_id")
    ]
    quoted = ", ".join(f'"{column}"' for column in columns)
    changed = {
        '"state"': "CASE WHEN n %% 10 = 0 THEN 'resolved' ELSE 'open' END",
        '"problem_id"': f"CASE WHEN n <= {LETTERS} THEN (SELECT min(id) FROM dlq_problem) + n %% 40 END",
        '"offset"': "n",
        '"receiver_hash"': "md5((n %% 700)::text)",
        '"error"': "'again ' || chr(97 + n %% 9)",
    }
    values = ", ".join(changed.get(f'"{column}"', f'"{column}"') for column in columns)
    fetch(f"INSERT INTO {TABLE} ({quoted}) SELECT {values} FROM {TABLE}, generate_series(1, {LETTERS + 3_000}) AS n")
    fetch(f"ANALYZE {TABLE}")
    fetch("ANALYZE dlq_problem, dlq_problemhour")


Explain = Callable[[Callable[[], Any]], list[Node]]


@pytest.fixture
def explain(many_letters: None) -> Explain:
    """The plan nodes of every statement on the letters that `work` runs."""

    def explain(work: Callable[[], Any]) -> list[Node]:
        with explained(lambda sql: TABLE in sql) as nodes:
            work()
        assert nodes
        return nodes

    return explain


def indexes(nodes: list[Node]) -> set[str]:
    """The indexes of the letters. AssertionError where their table is read as a whole."""
    assert not [node for node in nodes if node["Node Type"] == "Seq Scan" and node["Relation Name"] == TABLE]
    found = {node["Index Name"] for node in nodes if "Index Name" in node}
    return {name for name in found if name.startswith(("letter", TABLE))}


def test_letters_without_a_problem_are_found_by_their_index(explain: Explain) -> None:
    nodes = explain(lambda: problems.assign(1_000))
    assert indexes(nodes) == {"letter_without_problem", f"{TABLE}_pkey"}
    assert not [node for node in nodes if node["Node Type"] == "Sort" and node.get("Plan Rows", 0) > 2_000]


def test_a_look_that_finds_nothing_to_assign_reads_no_letters(explain: Explain) -> None:
    problems.assign_all(seconds=60)
    fetch(f"ANALYZE {TABLE}")
    assert indexes(explain(problems.assign_all)) <= {"letter_without_problem", "letter_problem"}


def test_letters_are_counted_in_an_index_and_receivers_backwards_in_it(
    explain: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem_counts, "MOST_RECEIVERS", 20)
    Standing.objects.update_or_create(pk=problem_counts.STANDING, defaults={"as_of": problem_counts.LONG_AGO})
    nodes = explain(lambda: problem_counts.count(every=0))
    assert indexes(nodes) == {"letter_problem", "letter_without_problem"}
    directions = [node.get("Scan Direction") for node in nodes if node.get("Index Name") == "letter_problem"]
    assert "Backward" in directions, "with its LIMIT, that reads no more letters than it looks at"


def test_no_page_of_problems_walks_the_letters(explain: Explain) -> None:
    problem_counts.count(every=0)
    sam = logged_in(staff("sam", "dlq.view_problem", "dlq.change_problem", "dlq.view_deadletter"))
    page = f"/admin/dlq/problem/{Problem.objects.earliest('pk').pk}/change/"
    assert indexes(explain(lambda: sam.get(page))) == {"letter_problem"}
    with connection.execute_wrapper(_refuse_letters):
        shown = sam.get("/admin/dlq/problem/").content.decode()
    assert "/admin/dlq/problem/" in shown
    assert "500" in shown


def _refuse_letters(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    assert TABLE not in sql, sql
    return execute(sql, params, many, context)
