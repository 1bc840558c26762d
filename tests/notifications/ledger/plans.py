"""A large ledger on PostgreSQL, and what its plans do. Test modules import the two fixtures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from notifications.ledger.partitions import ATTEMPTS, make_ahead, partitions
from notifications.ledger.rows import TABLE
from notifications.messages.words import Status
from notifications.models import Notification
from project.database.dialects import fetch
from tests.notifications.rows import ago, row
from tests.plans import Node, explained

WALKED = {"ledger_listed", "ledger_free", "ledger_due", "ledger_deferred"}
ROWS = 20_000
RECEIVER = "+4915112345678"
# The id of row number n, so many milliseconds after the one before.
UUID7 = (
    "(lpad(to_hex((%s + n * %s)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)"
    " || '8' || left(md5(random()::text), 15))::uuid"
)


@pytest.fixture
def full_ledger(db: None) -> None:
    """20,000 rows sent, each with an attempt, and 2,000 each sending, waiting and queued, in six partitions or more.

    They have statistics, whatever autovacuum has looked at before. The partitions are as large as many more rows would
    be: a small one is rightly read as a whole.
    """
    first_partition = partitions()[0]
    for table in (f"{TABLE}_default", f"{ATTEMPTS}_default", first_partition.table, first_partition.attempts):
        fetch(f"ALTER TABLE {table} SET (fillfactor = 10)")
    make_ahead(partitions()[0].until + timedelta(weeks=4))
    first, last = ago(3600), partitions()[-1].until - timedelta(days=1)
    templates = [
        row(Status.SENT),
        row(Status.SENDING, owner="o", lease_until=ago(-60)),
        row(Status.WAITING, due_at=ago(-3600)),
        row(Status.QUEUED),
    ]
    columns = [field.column for field in Notification._meta.concrete_fields if field.column != "id"]
    quoted = ", ".join(f'"{column}"' for column in columns)
    hashed = quoted.replace('"receiver_hash"', "md5(n::text)")
    with connection.cursor() as cursor:
        for template, count in zip(templates, (ROWS, 2000, 2000, 2000), strict=True):
            cursor.execute(
                f"INSERT INTO {TABLE} (id, {quoted}) SELECT {UUID7}, {hashed}"
                f" FROM {TABLE}, generate_series(1, {count}) AS n WHERE id = %s",
                [first.timestamp() * 1000, (last - first).total_seconds() * 1000 / count, template.id],
            )
        cursor.execute(
            f"INSERT INTO {ATTEMPTS} (notification_id, generation, number, at, outcome, cause, error)"
            f" SELECT id, generation, 1, accepted_at, 'transient', 'timeout', '' FROM {TABLE} WHERE status = 'sent'"
        )
        cursor.execute(f"ANALYZE {TABLE}, {ATTEMPTS}")


Explain = Callable[[Callable[[], Any]], list[Node]]


@pytest.fixture
def explain(full_ledger: None) -> Explain:
    """The plan nodes of every statement on the ledger that `work` runs."""

    def explain(work: Callable[[], Any]) -> list[Node]:
        with explained(lambda sql: TABLE in sql) as nodes:
            work()
        assert nodes
        return nodes

    return explain


def indexes(nodes: list[Node]) -> set[str]:
    """The names that the indexes have on the ledger as a whole."""
    inherited = dict(
        fetch(
            "SELECT c.relname, p.relname FROM pg_inherits"
            " JOIN pg_class AS c ON c.oid = inhrelid JOIN pg_class AS p ON p.oid = inhparent"
        )
    )
    names = {str(node["Index Name"]) for node in nodes if "Index Name" in node}
    return {inherited.get(name, name) for name in names}


def touched(nodes: list[Node]) -> set[str]:
    """The partitions that a plan opens, of notifications and of attempts."""
    return {str(node.get("Relation Name")) for node in nodes} & {
        name for each in partitions() for name in (each.table, each.attempts)
    }


def assert_no_scan(nodes: list[Node]) -> None:
    """None but of the default partition, which is empty."""
    scanned = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    assert scanned <= {f"{TABLE}_default", f"{ATTEMPTS}_default"}


def assert_only_of_today(nodes: list[Node]) -> None:
    today = partitions()[0]
    assert touched(nodes) <= {today.table, today.attempts}
