"""A check of Django's: the database has the tables, columns and indexes that the models describe.

Migrations say what was applied, not what is there: an applied one that was edited later, or an index dropped by
hand, leaves a database that works and is slow, or lets duplicates in. `manage.py check --database default` looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.core import checks
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.migrations.executor import MigrationExecutor

OURS = ("users", "notifications", "dlq")
HINT = "Compare it with the migrations, and make what is missing by hand: docs/runbooks.md, The schema differs."

Constraints = Mapping[str, Mapping[str, Any]]  # as Django's introspection describes them, by name


def compare(databases: Sequence[str] | None = None, **_: Any) -> list[checks.CheckMessage]:
    """Returns a warning for each difference. Nothing, while migrations are to be applied: they come first."""
    if DEFAULT_DB_ALIAS not in (databases or ()):
        return []
    connection = connections[DEFAULT_DB_ALIAS]
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return []
    with connection.cursor() as cursor:
        found = [what for model in models_of_ours() for what in _differences(connection, cursor, model)]
    return [checks.Warning(what, hint=HINT, id="notifications.W001") for what in found]


def models_of_ours() -> list[type[models.Model]]:
    return [model for app in OURS for model in apps.get_app_config(app).get_models(include_auto_created=True)]


def _differences(connection: BaseDatabaseWrapper, cursor: CursorWrapper, model: type[models.Model]) -> Iterator[str]:
    table = model._meta.db_table
    if table not in connection.introspection.table_names(cursor):
        yield f"The table {table} is missing."
        return
    columns = {column.name for column in connection.introspection.get_table_description(cursor, table)}
    for field in model._meta.local_concrete_fields:
        if field.column not in columns:
            yield f"The column {table}.{field.column} is missing."
    there = connection.introspection.get_constraints(cursor, table)
    for name, wanted in _named(model):
        if name not in there:
            yield f"The index or constraint {name} of {table} is missing."
        elif wanted and there[name]["columns"] != wanted:
            yield f"The index or constraint {name} of {table} is over {', '.join(there[name]['columns'])}."
    yield from _missing_of_fields(model, there)


def _named(model: type[models.Model]) -> Iterator[tuple[str, list[str]]]:
    """Indexes and constraints that have a name of ours, with their columns; none for those over expressions."""
    columns = {field.name: str(field.column) for field in model._meta.local_concrete_fields}
    for each in [*model._meta.indexes, *model._meta.constraints]:
        yield each.name, [columns[name.removeprefix("-")] for name in getattr(each, "fields", ())]


def _missing_of_fields(model: type[models.Model], there: Constraints) -> Iterator[str]:
    """What a field asks for has a name of Django's: it is found by its column."""
    for field in model._meta.local_concrete_fields:
        kinds = {
            "unique": field.unique and not field.primary_key,  # SQLite does not list its primary keys
            "index": getattr(field, "db_index", False),
            "foreign_key": getattr(field, "db_constraint", False),
        }
        for kind, wanted in kinds.items():
            over = [each for each in there.values() if each["columns"] and each["columns"][0] == field.column]
            if wanted and not any(each[kind] or (kind == "index" and each["unique"]) for each in over):
                yield f"The {kind.replace('_', ' ')} of {model._meta.db_table}.{field.column} is missing."
