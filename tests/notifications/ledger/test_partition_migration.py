"""A ledger of 1.0 is partitioned in place while others read and write it.

MIGRATION_ROWS=1000000 tries it with a million, and --log-cli-level=INFO says how long it took: docs/scaling.md.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from uuid import UUID, uuid4

import psycopg2
import psycopg2.extras
import pytest
from django.db import connection

from harness.ledger_rows import INSERT
from harness.platform import Platform
from harness.services.shared import SharedPostgres
from harness.services.waiting import wait_until
from notifications.messages.ids import first_id_at

logger = logging.getLogger(__name__)
pytestmark = pytest.mark.postgresql
ROWS = int(os.environ.get("MIGRATION_ROWS", "5000"))
OLD = (("notifications", "0002"), ("dlq", "0001"))

# What 1.0 does with one notification: claim, settle with an attempt, read.
CLAIM = """
INSERT INTO notifications_notification AS n (id, client, reference, channel, receiver, receiver_hash, subject, message,
    html, "user", category, priority, accepted_at, topic, trace_id, status, claims, generation, owner, lease_until,
    reason, attempts, uncertain_count, provider, provider_message_id, last_cause, last_error)
VALUES (%(id)s, 'c', '', 'EMAIL', 'a@example.com', 'hash', '', 'Hello', '', '', 'default', 'bulk', now(), 't', '',
    'sending', 1, 0, 'owner', now() + interval '1 minute', '', 0, 0, '', '', '', '')
ON CONFLICT (id) DO UPDATE SET status = 'sending' WHERE n.status = 'queued' RETURNING n.id
"""
SETTLE = """
UPDATE notifications_notification AS n SET status = 'waiting', owner = NULL, lease_until = NULL, due_at = now()
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(id uuid) WHERE n.id = r.id RETURNING n.id
"""
ATTEMPT = """
INSERT INTO notifications_attempt (notification_id, generation, number, at, outcome, cause, error)
VALUES (%(id)s, 0, 1, now(), 'failed', 'timeout', '') ON CONFLICT DO NOTHING
"""
READ = "SELECT * FROM notifications_notification WHERE receiver_hash = 'hash' ORDER BY id DESC LIMIT 50"


@pytest.fixture
def old(tmp_path: Path, postgres: SharedPostgres) -> Iterator[Platform]:
    """A database as 1.0 left it, with ROWS notifications and an attempt of each tenth."""
    psycopg2.extras.register_uuid()
    name = f"old_{uuid4().hex[:12]}"
    with Platform.on(tmp_path, postgres.create_database(name), "127.0.0.1:1", topic_prefix="old.") as platform:
        for migration in OLD:
            platform.manage("migrate", "--verbosity", "0", *migration)
        literals = {"attempts": 0, "cause": "", "due_at": "NULL", "settled_at": "now()", "reason": ""}
        statement = INSERT.replace("listed, ", "").replace("{listed}, ", "")  # 1.0 has no such column
        platform.sql(statement.format(count=ROWS, receivers=ROWS, ends_before=0, status="sent", **literals))
        platform.sql(
            "INSERT INTO notifications_attempt (notification_id, generation, number, at, outcome, cause, error)"
            " SELECT id, 0, 1, now(), 'failed', 'timeout', '' FROM notifications_notification WHERE \"offset\" % 10 = 0"
        )
        yield platform
    postgres.drop_database(name)


class Worker(threading.Thread):
    """Repeats its work until the end of a `with` block; `longest` is the longest it waited, in seconds."""

    def __init__(self, url: str, work: Callable[[psycopg2.extensions.cursor], None]) -> None:
        super().__init__()
        self._url, self._work = url, work
        self._ending = threading.Event()
        self.times, self.longest, self.error = 0, 0.0, ""

    def run(self) -> None:
        try:
            with closing(psycopg2.connect(self._url)) as connection:
                while not self._ending.is_set():
                    began = time.monotonic()
                    with connection, connection.cursor() as cursor:
                        self._work(cursor)
                    self.longest = max(self.longest, time.monotonic() - began)
                    self.times += 1
        except psycopg2.Error as error:
            self.error = str(error)

    def end(self) -> None:
        self._ending.set()
        self.join()


@contextmanager
def at_work(*workers: Worker) -> Iterator[None]:
    for worker in workers:
        worker.start()
    try:
        yield
    finally:
        for worker in workers:
            worker.end()


def one_notification(cursor: psycopg2.extensions.cursor) -> None:
    id = UUID(int=(time.time_ns() // 1_000_000) << 80 | 7 << 76 | 2 << 62 | uuid4().int & (1 << 61) - 1)
    for statement in (CLAIM, SETTLE):
        cursor.execute(statement, {"id": id, "rows": f'[{{"id": "{id}"}}]'})
        assert cursor.fetchall() == [(id,)]
    cursor.execute(ATTEMPT, {"id": id})


def read(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute(READ)
    cursor.fetchall()


def test_a_ledger_of_1_0_is_partitioned_while_others_read_and_write_it(old: Platform) -> None:
    indexes = index_count(old)
    writer, reader = Worker(old.database_url, one_notification), Worker(old.database_url, read)
    began = time.monotonic()
    with at_work(writer, reader):
        old.manage("migrate", "--verbosity", "0", deadline=600)
        took = time.monotonic() - began
    figures = f"longest waits {writer.longest:.3f} s to write, {reader.longest:.3f} s to read"
    logger.info("%s rows: %.1f s with the start; %s", f"{ROWS:,}", took, figures)
    assert (writer.error, reader.error) == ("", "")
    assert writer.times > 0 < reader.times
    assert counted(old) == (ROWS + writer.times, ROWS // 10 + writer.times)
    assert len(partition_names(old)) == 4
    # Three of the old ones are gone, and six new ones are there.
    assert index_count(old) == indexes + 3, "attaching made an index anew, under its lock"
    assert old.manage("check", "--database", "default", "--fail-level", "WARNING")
    old.manage("makemigrations", "--check", "--dry-run")


@pytest.mark.parametrize("bound", [datetime(2026, 1, 5, tzinfo=UTC), datetime(2100, 1, 4, tzinfo=UTC)])
def test_a_migration_that_was_interrupted_goes_on(old: Platform, bound: datetime) -> None:
    """It had promised a bound, which may have passed meanwhile, and an index that it was making is not valid."""
    promise = "before_the_first_bound"
    old.sql(
        f"ALTER TABLE notifications_notification ADD CONSTRAINT {promise} CHECK (id < '{first_id_at(bound)}') NOT VALID"
    )
    old.sql(f"COMMENT ON CONSTRAINT {promise} ON notifications_notification IS '{bound.isoformat()}'")
    with closing(psycopg2.connect(old.database_url)) as connection:
        connection.autocommit = True
        with pytest.raises(psycopg2.errors.UniqueViolation):
            connection.cursor().execute(
                "CREATE UNIQUE INDEX CONCURRENTLY notifications_attempt_id_notification_id"
                " ON notifications_attempt (generation)"
            )
    old.manage("migrate", "--verbosity", "0")
    assert counted(old) == (ROWS, ROWS // 10)
    (kept,) = (name for name in partition_names(old) if name.startswith("notifications_attempt_before"))
    assert (kept == f"notifications_attempt_before_{bound:%Y%m%d}") is (bound.year == 2100)


def counted(platform: Platform) -> tuple[int, int]:
    (row,) = platform.sql(
        "SELECT (SELECT count(*) FROM notifications_notification) AS rows,"
        " (SELECT count(*) FROM notifications_attempt) AS attempts"
    )
    return row["rows"], row["attempts"]


def partition_names(platform: Platform) -> list[str]:
    return [
        row["relname"]
        for row in platform.sql(
            "SELECT relname FROM pg_inherits JOIN pg_class ON oid = inhrelid WHERE inhparent IN"
            " ('notifications_notification'::regclass, 'notifications_attempt'::regclass)"
        )
    ]


def index_count(platform: Platform) -> int:
    """Of the table that had the rows before, and has them still; the index of the new primary key is one of them."""
    (row,) = platform.sql(
        "SELECT count(*) AS indexes FROM pg_index JOIN pg_class AS c ON c.oid = indrelid"
        " WHERE c.relkind = 'r' AND c.relname ~ '^notifications_(notification|attempt)(_before_[0-9]+)?$'"
    )
    return int(row["indexes"])


def test_rows_under_way_are_listed_and_leased(old: Platform) -> None:
    """What the old indexes had: the lists, the counts and the sweep find it by the new ones."""
    under_way = {
        "waiting": ("waiting", "NULL", "waiting"),
        "dead": ("dead", "NULL", "dead"),
        "queued, free": ("queued", "NULL", "queued"),
        "queued, leased": ("queued", "'s'", "taken"),
        "sending": ("sending", "'batch-1'", None),
    }
    ids = [row["id"] for row in old.sql("SELECT id FROM notifications_notification ORDER BY id LIMIT 6")]
    for id, (status, owner, _) in zip([*ids[:5]], under_way.values(), strict=True):
        old.sql(
            f"UPDATE notifications_notification SET status = '{status}', owner = {owner},"
            f" lease_until = CASE WHEN {owner} IS NOT NULL THEN now() END WHERE id = '{id}'"
        )
    old.manage("migrate", "--verbosity", "0")
    found = {row["id"]: row["listed"] for row in old.sql("SELECT id, listed FROM notifications_notification")}
    assert [found.pop(id) for id in ids[:5]] == [word for _, _, word in under_way.values()]
    assert set(found.values()) == {None}
    (lease,) = old.sql("SELECT owner, ids, look_at <= now() AS passed FROM notifications_lease")
    assert (lease["owner"], bytes(lease["ids"]), lease["passed"]) == ("batch-1", UUID(str(ids[4])).bytes, True)


def test_the_new_indexes_are_made_again_where_the_migration_was_interrupted(old: Platform) -> None:
    old.manage("migrate", "--verbosity", "0", "notifications", "0006")
    (table,) = (name for name in partition_names(old) if name.startswith("notifications_notification_before"))
    with closing(psycopg2.connect(old.database_url)) as connection:
        connection.autocommit = True
        with pytest.raises(psycopg2.errors.UniqueViolation):
            connection.cursor().execute(f"CREATE UNIQUE INDEX CONCURRENTLY {table}_listed ON {table} (generation)")
    old.manage("migrate", "--verbosity", "0")
    assert old.manage("check", "--database", "default", "--fail-level", "WARNING")
    names = {row["relname"] for row in old.sql("SELECT relname FROM pg_class WHERE relname LIKE 'ledger_%'")}
    assert {"ledger_listed", "ledger_free"} <= names
    assert not names & {"ledger_lease", "ledger_queue", "ledger_rare_status"}


def test_a_new_column_gives_way_to_a_dump_and_whoever_comes_later(old: Platform) -> None:
    old.manage("migrate", "--verbosity", "0", "notifications", "0005")
    with closing(psycopg2.connect(old.database_url)) as other, other.cursor() as dump:
        dump.execute("SELECT count(*) FROM notifications_notification")
        with migrating(old, "0006"):
            reader = "SET lock_timeout = '20s'; SELECT count(*) AS rows FROM notifications_notification"
            try:
                assert old.sql(reader) == [{"rows": ROWS}]
            finally:
                other.rollback()
    assert old.sql("SELECT listed FROM notifications_notification LIMIT 1") == [{"listed": None}]


def test_rows_that_others_change_meanwhile_end_no_listing(old: Platform) -> None:
    """The batch has one row fewer then than were picked, and more are left."""
    old.manage("migrate", "--verbosity", "0", "notifications", "0006")
    old.sql("UPDATE notifications_notification SET status = 'waiting'")
    with closing(psycopg2.connect(old.database_url)) as other, other.cursor() as sender:
        for _ in range(5001 - ROWS):
            one_notification(sender)
        other.commit()
        sender.execute(
            "UPDATE notifications_notification SET status = 'sent'"
            " WHERE id = (SELECT min(id::text)::uuid FROM notifications_notification)"
        )
        with migrating(old, "0007"):
            other.commit()
    assert old.sql("SELECT id FROM notifications_notification WHERE status = 'waiting' AND listed IS NULL") == []


@contextmanager
def migrating(platform: Platform, number: str) -> Iterator[None]:
    """Migrates beside the block, which begins once a lock is waited for. The migration then ends without an error."""
    with ThreadPoolExecutor(1) as pool:
        migration = pool.submit(platform.manage, "migrate", "--verbosity", "0", "notifications", number)
        waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        wait_until(lambda: platform.sql(waiting) or migration.done(), what="the migration waits")
        yield
        migration.result()


@pytest.mark.parametrize("name", ["0006_lease", "0007_settle_without_an_index"])
@pytest.mark.parametrize("code", ["55P03", "40P01"])
@pytest.mark.django_db
def test_a_step_that_loses_a_lock_is_tried_again(monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    migration = import_module(f"notifications.migrations.{name}")
    monkeypatch.setattr("time.sleep", lambda _: None)
    lose = f"DO $$ BEGIN RAISE 'lost' USING ERRCODE = '{code}'; END $$"
    answers = iter([lose, lose, "SELECT 7"])
    with connection.cursor() as cursor:
        migration.patiently(cursor, lambda: cursor.execute(next(answers)))
        assert cursor.fetchone() == (7,)
