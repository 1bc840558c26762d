"""Working around the rows that the database refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import transaction

from project.database.dialects import REFUSALS


def around_culprits(
    batch: list[Any], work: Callable[[list[Any]], list[Any]]
) -> tuple[list[Any], list[tuple[Any, Exception]]]:
    """`work` on the batch inside savepoints, in halves around what the database refuses: (results, refused)."""
    try:
        with transaction.atomic():
            return work(batch), []
    except REFUSALS as error:
        if len(batch) == 1:
            return [], [(batch[0], error)]
    middle = len(batch) // 2
    left, left_refused = around_culprits(batch[:middle], work)
    right, right_refused = around_culprits(batch[middle:], work)
    return left + right, left_refused + right_refused
