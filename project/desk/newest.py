"""The newest rows of several conditions in one statement, in which each condition uses its own index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Q, QuerySet, UUIDField

from project.database.dialects import as_uuid, fetch


def newest(rows: QuerySet[Any], conditions: Iterable[Q], most: int, *columns: str) -> list[tuple[Any, ...]]:
    """Returns (key, *columns) of the newest `most` rows that fit any of the conditions, each row once."""
    unique = {row[0]: row for row in newest_of_each(rows, conditions, most, *columns)}
    return [unique[key] for key in sorted(unique, reverse=True)[:most]]


def newest_keys(rows: QuerySet[Any], conditions: Iterable[Q], most: int) -> list[Any]:
    """Returns the keys of the newest `most` rows that fit any of the conditions."""
    return [row[0] for row in newest(rows, conditions, most)]


def newest_of_each(rows: QuerySet[Any], conditions: Iterable[Q], most: int, *columns: str) -> list[tuple[Any, ...]]:
    """Returns (key, *columns) of the newest `most` rows of each condition, in no order, as the database has them.

    `rows` has every filter already, so that the bound never hides a row that fits them.
    """
    parts = list(_parts(rows, conditions, most, columns))
    if not parts:
        return []
    statement = " UNION ALL ".join(f"SELECT * FROM ({text}) AS part{place}" for place, (text, _) in enumerate(parts))
    found = fetch(statement, [value for _, values in parts for value in values])
    read = as_uuid if isinstance(rows.model._meta.pk, UUIDField) else int
    return [(read(row[0]), *row[1:]) for row in found]


def _parts(
    rows: QuerySet[Any], conditions: Iterable[Q], most: int, columns: tuple[str, ...]
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for condition in conditions:
        part = rows.filter(condition).order_by("-pk").values_list("pk", *columns)[:most]
        try:
            yield part.query.sql_with_params()
        except EmptyResultSet:  # such as a list of no keys
            continue
