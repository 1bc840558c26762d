"""The ledger by time: on PostgreSQL its tables are partitioned by the time in their ids; on SQLite they are not.

A partition is a day or a week (LEDGER_PARTITION) of the notifications and, beside it, of their attempts. Partitions
are made ahead. What falls into none of them goes to the default partition, so that no row is ever refused; it is
watched (notifications_ledger_default_rows), and its rows move when the partition is made that they belong to.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from notifications.messages.ids import first_id_at, time_of
from project.database.dialects import fetch
from project.database.refusals import sqlstate

logger = logging.getLogger(__name__)

LEDGER, ATTEMPTS = "notifications_notification", "notifications_attempt"
KEYS = {LEDGER: "id", ATTEMPTS: "notification_id"}
# At least so long before a partition begins it is made. Each that is ahead costs every plan over all of them.
AHEAD = {"day": timedelta(days=4), "week": timedelta(days=8)}
RECENT = timedelta(days=1)
LOCK_SECONDS = 1.0  # for a table's lock; whoever needs the table queues behind the one that waits for it
MAKERS_LOCK = 0x6C656467  # of the advisory locks: who makes partitions ahead
LOCK_NOT_AVAILABLE = "55P03"
_BOUNDS = re.compile(r"FOR VALUES FROM \((?:MINVALUE|'([0-9a-f-]{36})')\) TO \('([0-9a-f-]{36})'\)")


@dataclass(frozen=True, slots=True)
class Partition:
    """The rows accepted from `since` (None: from the beginning) to before `until`, in two tables."""

    since: datetime | None
    until: datetime
    table: str  # of the notifications
    attempts: str  # the table of their attempts


def partitions() -> list[Partition]:
    """Returns those there are, the oldest first, without the default partition; [] where nothing is partitioned."""
    if connection.vendor != "postgresql":
        return []
    rows = fetch(
        "SELECT pg_get_expr(n.relpartbound, n.oid), n.relname, a.relname"
        " FROM pg_inherits AS ni JOIN pg_class AS n ON n.oid = ni.inhrelid"
        " JOIN pg_inherits AS ai ON ai.inhparent = to_regclass(%s) JOIN pg_class AS a ON a.oid = ai.inhrelid"
        " WHERE ni.inhparent = to_regclass(%s)"
        " AND pg_get_expr(n.relpartbound, n.oid) = pg_get_expr(a.relpartbound, a.oid)",
        [ATTEMPTS, LEDGER],
    )
    found = [(_BOUNDS.fullmatch(bounds), table, attempts) for bounds, table, attempts in rows]
    return sorted((_partition(bounds, *tables) for bounds, *tables in found if bounds), key=lambda each: each.until)


def _partition(bounds: re.Match[str], table: str, attempts: str) -> Partition:
    since, until = bounds.groups()
    return Partition(time_of(UUID(since)) if since else None, time_of(UUID(until)), table, attempts)


def default_rows(most: int = 10_000) -> int:
    """Returns how many notifications stand in the default partition, counting to `most`; 0 where there is none."""
    default = f"{LEDGER}_default"
    if connection.vendor != "postgresql" or fetch("SELECT to_regclass(%s)", [default]) == [(None,)]:
        return 0
    return int(fetch(f"SELECT count(*) FROM (SELECT 1 FROM {default} LIMIT %s) AS counted", [most])[0][0])


def recent() -> UUID | None:
    """Returns the first id of the week of yesterday, for looks that need not see all partitions; None on SQLite.

    Planning such a look costs PostgreSQL some 0.1 ms for each partition. A whole week: see `ids.span`.
    """
    if connection.vendor != "postgresql":
        return None
    return first_id_at(boundary_after(timezone.now() - RECENT - timedelta(weeks=1), "week"))


def drop(partition: Partition, *, when: Callable[[], bool] = lambda: True) -> bool:
    """Drops the partition's tables with all their rows. Returns whether it did: not where `when` answers False.

    `when` is asked under the lock, so that no row changes between its answer and the drop; everybody waits
    meanwhile, so it must take milliseconds. Raises OperationalError (55P03) where the lock cannot be had within
    LOCK_SECONDS: try again later.
    """
    with transaction.atomic():
        _wait_briefly_for_locks()
        # The parents first, in the order in which settling locks them.
        fetch(f"LOCK TABLE ONLY {LEDGER}, ONLY {ATTEMPTS} IN ACCESS EXCLUSIVE MODE")
        if not when():
            return False
        fetch(f'DROP TABLE "{partition.table}", "{partition.attempts}"')
    return True


def make_ahead(now: datetime | None = None) -> list[Partition]:
    """Makes the partitions that begin soon after `now` (default: the database's clock). Returns those it made.

    Any number of processes may call it at once: one works, the others return []. Where a lock cannot be had within
    LOCK_SECONDS it gives way, for there is time until the next call.
    """
    made: list[Partition] = []
    if connection.vendor != "postgresql":
        return made
    try:
        while (partition := _make_next(now)) is not None:
            logger.info("made the partition %s", partition.table)
            made.append(partition)
    except OperationalError as error:
        if sqlstate(error) != LOCK_NOT_AVAILABLE:
            raise
        logger.warning("the ledger is locked: its next partition is made later")
    return made


def _make_next(now: datetime | None) -> Partition | None:
    """The partition after the last, in a transaction of its own; None where it is not needed yet."""
    with transaction.atomic():
        _wait_briefly_for_locks()
        ((mine, partitioned, clock),) = fetch(
            "SELECT pg_try_advisory_xact_lock(%s), (SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)),"
            " statement_timestamp()",
            [MAKERS_LOCK, LEDGER],
        )
        if not (mine and partitioned):
            return None
        now, step = now or clock, settings.LEDGER_PARTITION
        there = partitions()
        since = there[-1].until if there else boundary_after(now - timedelta(days=7), step)
        if since > now + AHEAD[step]:
            return None
        until = boundary_after(since, step)
        partition = Partition(since, until, *(f"{table}_{since:%Y%m%d}" for table in KEYS))
        for table, name in ((LEDGER, partition.table), (ATTEMPTS, partition.attempts)):
            _make(table, name, [first_id_at(since), first_id_at(until)])
        return partition


def boundary_after(moment: datetime, step: str) -> datetime:
    """Returns the first midnight (`day`) or midnight to Monday (`week`) in UTC that is later than `moment`."""
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=1 if step == "day" else 7 - midnight.weekday())


def _make(table: str, name: str, bounds: list[Any]) -> None:
    """Makes one table beside the others, moves there what the default partition has of it, and attaches it.

    CREATE TABLE … PARTITION OF would lock the whole table against readers; ATTACH locks only the default partition.
    """
    key, default = KEYS[table], f"{table}_default"
    fetch(f'CREATE TABLE "{name}" (LIKE {table} INCLUDING ALL EXCLUDING IDENTITY){_storage(table)}')
    fetch(f"LOCK TABLE {default} IN ACCESS EXCLUSIVE MODE")
    fetch(
        f"WITH moved AS (DELETE FROM {default} WHERE {key} >= %s AND {key} < %s RETURNING *)"
        f' INSERT INTO "{name}" SELECT * FROM moved',
        bounds,
    )
    fetch(f'ALTER TABLE {table} ATTACH PARTITION "{name}" FOR VALUES FROM (%s) TO (%s)', bounds)


def _storage(table: str) -> str:
    """The WITH clause that the default partition has: a fillfactor, say, that somebody set."""
    ((options,),) = fetch("SELECT reloptions FROM pg_class WHERE oid = to_regclass(%s)", [f"{table}_default"])
    return f" WITH ({', '.join(options)})" if options else ""


def _wait_briefly_for_locks() -> None:
    fetch("SELECT set_config('lock_timeout', %s, true)", [f"{round(LOCK_SECONDS * 1000)}ms"])
