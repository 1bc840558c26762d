"""The plans by which PostgreSQL runs the statements of a piece of code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

Node = dict[str, Any]  # of a plan, as EXPLAIN gives it as JSON


@contextmanager
def explained(wanted: Callable[[str], bool], *, analyzed: bool = False) -> Iterator[list[Node]]:
    """Gathers the plan nodes of every wanted statement that is run inside, just before it runs.

    `analyzed` runs it once more for what it reads, so it must change nothing.
    """
    found: list[Node] = []
    options = "ANALYZE, FORMAT JSON" if analyzed else "FORMAT JSON"

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if wanted(sql):
            with connection.connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN ({options}) {sql}", params)
                found.extend(_nodes(cursor.fetchone()[0][0]["Plan"]))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield found


def _nodes(plan: Node) -> Iterator[Node]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from _nodes(inner)


def rows_read(nodes: list[Node], table: str = "") -> int:
    """Returns how many rows analyzed plans looked at, of one table or of all; those that a condition threw away too."""
    read = [node for node in nodes if "Relation Name" in node and table in ("", node["Relation Name"])]
    return sum((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in read)
