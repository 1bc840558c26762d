"""A ledger as production has it after some weeks: `python -m benchmarks.with_django weeks 7` makes its partitions.

A new database has one partition for everything accepted until the week after next. Here the weeks that have passed
get theirs, so that old rows lie in partitions of their own.
"""

from __future__ import annotations

import sys
from datetime import timedelta

from django.db import connection
from django.utils import timezone

from benchmarks.measure import run
from harness.ledger_rows import insert, vacuum
from harness.platform import Platform
from notifications.ledger.partitions import ATTEMPTS, LEDGER, make_ahead, partitions

WEEKS = 7  # that have passed; so many partitions, and the present week's and those ahead
WEEK = 7 * 24 * 3600 * 1000  # milliseconds
MARGIN = 20 * 60 * 1000  # milliseconds between the newest of the rows and now


def fill(site: Platform, rows: int) -> None:
    """Makes the weeks, and spreads so many rows over them. Those of a week lie together, one a millisecond."""
    run(site, "benchmarks.with_django", "weeks", str(WEEKS))
    for week in reversed(range(WEEKS + 1)) if rows else ():
        insert(site, rows // (WEEKS + 1), ends_before=week * WEEK + MARGIN)
    vacuum(site)


def main() -> None:
    """Makes the partitions of the weeks that have passed, as a scheduler would have, and moves the rows there are."""
    (first,) = partitions()
    old = ((LEDGER, first.table), (ATTEMPTS, first.attempts))
    now = timezone.now()
    with connection.cursor() as cursor:
        for table, name in old:
            cursor.execute(f'ALTER TABLE {table} DETACH PARTITION "{name}"')
        make_ahead(now - timedelta(weeks=int(sys.argv[1])))
        make_ahead(now)
        for table, name in old:
            cursor.execute(f'INSERT INTO {table} SELECT * FROM "{name}"')
        for _, name in reversed(old):
            cursor.execute(f'DROP TABLE "{name}"')
