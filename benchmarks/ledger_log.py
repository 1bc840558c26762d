"""How much PostgreSQL writes to its log, and keeps, for a notification on a large ledger. FULL only."""

from __future__ import annotations

import time

from benchmarks import weeks
from benchmarks.bench import Bench
from benchmarks.drain import IN_FLIGHT, NOOP, check_ledger
from benchmarks.lines import Line
from benchmarks.measure import Sender, publish
from harness.platform import Platform

ROWS = 3_000_000
MOST = 1.7  # KB a notification
COUNT, FIRST = 50_000, 30_000
KEPT = {"RETENTION_TEXT_DAYS": "90"}  # or the job that empties old texts would write most of the log
LOG = "pg_current_wal_insert_lsn() - '0/0'::pg_lsn"
SIZE = "pg_database_size(current_database())"


def three_million(bench: Bench) -> list[Line]:
    """Drains after a checkpoint, when a page is logged whole at its first change: the dearest time there is."""
    count = bench.size(COUNT)
    site = bench.services.fresh(**NOOP, **KEPT)
    weeks.fill(site, bench.size(ROWS, 20_000))
    publish(site, "EMAIL", count)
    bench.services.postgres.execute("CHECKPOINT")
    before = _bytes(site, SIZE)
    points = _drained(site, count)
    grown = (_bytes(site, SIZE) - before) / count / 1000
    check_ledger(site, count)
    bench.services.drop(site)
    each = points[-1][1] / count / 1000
    done, written = next(point for point in points if point[0] >= min(FIRST, count))
    return [
        Line(
            figure=f"log of a notification, {ROWS:,} rows in weekly partitions, no-op provider",
            must=f"≤ {MOST:g} KB",
            measured=f"{each:.2f} KB",
            reached=each <= MOST,
            note=(
                f"the first {count:,} after a checkpoint; the first {done:,.0f}: {written / done / 1000:.2f} KB;"
                f" tables and indexes grew by {grown:.2f} KB each"
            ),
            numbers={"grown KB": grown},
        )
    ]


def _drained(site: Platform, count: int) -> list[tuple[float, float]]:
    """Returns (settled, bytes of log since the beginning) while a sender drains."""
    began = _bytes(site, LOG)
    sender = Sender(site, "EMAIL", IN_FLIGHT)
    points = [(0.0, 0.0)]
    while points[-1][0] < count:
        assert sender.process.running, sender.process.output[-4000:]
        time.sleep(0.2)
        points.append((sender.settled(), _bytes(site, LOG) - began))
    return points


def _bytes(site: Platform, expression: str) -> float:
    (row,) = site.sql(f"SELECT {expression} AS bytes")
    return float(row["bytes"])
