"""What PostgreSQL is given by the migrations since the last release, statement by statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from project.database.schema import OURS
from tests.upgrades import release

DDL = ("ALTER", "CREATE", "DROP", "LOCK", "SET")


def record() -> tuple[list[str], dict[str, list[str]]]:
    """Migrates an empty database: to the last release, and from there to today.

    Returns the tables that the last release has, and what each of our migrations since then changes in the schema:
    its statements, a line each, by its name such as `dlq.0006_events_by_notification`. Python steps are among them.
    """
    first = MigrationExecutor(connection)
    first.migrate(sorted(release.migrations()))
    tables = connection.introspection.table_names()
    found: dict[str, list[str]] = defaultdict(list)
    running: list[str] = []

    def begun(action: str, migration: Any = None, *_: object) -> None:
        if action == "apply_start":
            running[:] = [f"{migration.app_label}.{migration.name}"]

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if running and running[0].split(".")[0] in OURS and sql.lstrip().upper().startswith(DDL):
            statement = context["cursor"].cursor.mogrify(sql, params).decode()
            found[running[0]].append(f"{' '.join(statement.split()).rstrip(';')};")
        return execute(sql, params, many, context)

    executor = MigrationExecutor(connection, begun)
    with connection.execute_wrapper(note):
        executor.migrate(executor.loader.graph.leaf_nodes())
    connection.close()
    return tables, found
