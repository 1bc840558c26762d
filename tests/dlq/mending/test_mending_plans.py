"""What a correction reads on PostgreSQL: by indexes, whatever else the tables have."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from dlq.mending.candidates import already_got, find
from dlq.mending.frequent import mistyped_domains
from dlq.models import DeadLetter
from dlq.problems.assigning import assign_all
from dlq.selection import Selection
from project.database.dialects import fetch
from tests.dlq.mending.mended import ALL, GMIAL, mistyped
from tests.plans import Node, explained, rows_read

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

LETTER = "dlq_deadletter"
LETTERS = 20_000
OTHERS = 20  # that are mistyped
COPIED = [field.column for field in DeadLetter._meta.concrete_fields if field.column not in ("id", "notification_id")]


@pytest.fixture
def full_desk(db: None) -> DeadLetter:
    """A few letters to gmial.com among many to other domains, which belong to another problem."""
    template = mistyped("somebody@example.org", last_error="mailbox disabled")
    assign_all()
    columns = ", ".join(f'"{column}"' for column in COPIED)
    values = columns.replace('"receiver_domain"', "'domain' || n || '.org'").replace('"receiver_hash"', "md5(n::text)")
    fetch(
        f"INSERT INTO dlq_deadletter (notification_id, {columns}) SELECT gen_random_uuid(), {values}"
        f" FROM dlq_deadletter, generate_series(1, {LETTERS}) AS n WHERE id = %s",
        [template.pk],
    )
    last = [mistyped(f"a{number}@gmial.com", last_error="no such user") for number in range(OTHERS)][-1]
    assign_all()
    fetch("ANALYZE dlq_deadletter")
    last.refresh_from_db()
    return last


def plans(work: Callable[[], Any]) -> list[Node]:
    with explained(lambda sql: LETTER in sql or "sent_to_new_receiver" in sql, analyzed=True) as nodes:
        work()
    assert nodes
    return nodes


def indexes(nodes: list[Node]) -> set[str]:
    return {str(node["Index Name"]) for node in nodes if "Index Name" in node}


def test_the_letters_of_a_domain_are_found_by_its_index(full_desk: DeadLetter) -> None:
    for selection in (ALL, Selection(problem=full_desk.problem_id)):
        nodes = plans(partial(find, selection, GMIAL))
        assert indexes(nodes) & {"letter_domain", "letter_problem"}
        assert rows_read(nodes, LETTER) <= 2 * OTHERS


def test_the_mistyped_domains_of_a_problem_are_found_by_its_index(full_desk: DeadLetter) -> None:
    nodes = plans(lambda: mistyped_domains(Selection(problem=full_desk.problem_id)))
    assert "letter_problem" in indexes(nodes)
    assert rows_read(nodes, LETTER) <= 3 * OTHERS


def test_duplicates_are_looked_up_by_receiver(full_desk: DeadLetter) -> None:
    found, _ = find(ALL, GMIAL)
    fetch("SET LOCAL enable_seqscan = off")  # the ledger of a test is so small that reading all of it is right
    nodes = plans(lambda: already_got(found))
    by_receiver = [node for node in nodes if "receiver_hash" in str(node.get("Index Cond", ""))]
    assert by_receiver
