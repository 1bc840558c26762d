"""Leaves the indexes of the ledger only columns that a claim and its success do not change.

What the old indexes had is filled into the column `listed` and the table of leases, which are new. On PostgreSQL
readers and writers go on meanwhile; each partition's index is made CONCURRENTLY. Every step looks at what is there:
where the migration was interrupted, running it again goes on.
"""

import time
from functools import partial
from itertools import groupby
from uuid import UUID

from django.db import OperationalError, migrations, models, transaction

LEDGER = "notifications_notification"
RARE = "'accepted', 'waiting', 'held', 'dead', 'expired'"
BATCH = 5000
INDEXES = {
    "listed": "(listed, id) WHERE listed IS NOT NULL",
    "free": "(channel, priority, id) WHERE listed = 'queued'",
}
OLD = ("ledger_lease", "ledger_queue", "ledger_rare_status")
# Half of a page stays free for the one update that each row gets. What somebody chose stays.
STORAGE = "fillfactor = 50"
# Each row of this small table lives for a minute: it is to be vacuumed by its dead rows, not by its size.
OFTEN = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0"
TRIES = 300  # for a lock, a second each: whoever comes later queues behind it
GIVES_WAY = ("55P03", "40P01")  # the lock is not available; a deadlock with somebody's work


def fill(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        for status, word in ((RARE, "status"), ("'queued'", "CASE WHEN owner IS NULL THEN 'queued' ELSE 'taken' END")):
            while patiently(cursor, partial(list_some, cursor, status, word)) or is_left(cursor, status):
                pass
        note_leases(cursor)


def list_some(cursor, status, word):
    """How many it has listed. Those that somebody else changes meanwhile are not, so it may be fewer than there are."""
    cursor.execute(
        f"UPDATE {LEDGER} SET listed = {word} WHERE status IN ({status}) AND id IN"
        f" (SELECT id FROM {LEDGER} WHERE status IN ({status}) AND listed IS NULL ORDER BY id LIMIT {BATCH})"
    )
    return cursor.rowcount


def is_left(cursor, status):
    return ask(cursor, f"SELECT 1 FROM {LEDGER} WHERE status IN ({status}) AND listed IS NULL LIMIT 1")


def note_leases(cursor):
    """One for each claim that has a row sending; a second one, of an interrupted run, does no harm."""
    cursor.execute(
        f"SELECT owner, lease_until, id FROM {LEDGER} WHERE lease_until IS NOT NULL AND status = 'sending'"
        " AND owner IS NOT NULL ORDER BY owner, lease_until"
    )
    for owner, rows in groupby(cursor.fetchall(), key=lambda row: row[0]):
        rows = list(rows)
        ids = sorted(UUID(str(id)) for _, _, id in rows)
        cursor.execute(
            'INSERT INTO notifications_lease (owner, look_at, "first", "last", ids) VALUES (%s, %s, %s, %s, %s)',
            [owner, rows[0][1], ids[0].hex, ids[-1].hex, b"".join(id.bytes for id in ids)],
        )


def change_indexes(schema_editor):
    with schema_editor.connection.cursor() as cursor:
        patiently(cursor, partial(cursor.execute, f"ALTER TABLE notifications_lease SET ({OFTEN})"))
        # Ids hardly compress, and trying it took as long as the rest of the claim's note.
        patiently(cursor, partial(cursor.execute, "ALTER TABLE notifications_lease ALTER COLUMN ids SET STORAGE EXTERNAL"))
        tables = leaves(cursor)
        for table in tables:
            for name, what in INDEXES.items():
                make_index(cursor, f"{table}_{name}"[:63], table, what)
        for name, what in INDEXES.items():  # takes over those that were made
            patiently(cursor, partial(cursor.execute, f"CREATE INDEX IF NOT EXISTS ledger_{name} ON {LEDGER} {what}"))
        for name in OLD:
            patiently(cursor, partial(cursor.execute, f"DROP INDEX IF EXISTS {name}"))
        for table in tables:
            if not ask(cursor, "SELECT reloptions::text LIKE '%%fillfactor%%' FROM pg_class WHERE oid = to_regclass(%s)", table):
                patiently(cursor, partial(cursor.execute, f'ALTER TABLE "{table}" SET ({STORAGE})'))


def leaves(cursor):
    cursor.execute("SELECT relid::regclass::text FROM pg_partition_tree(%s) WHERE isleaf", [LEDGER])
    return [name.strip('"') for (name,) in cursor.fetchall()]


def make_index(cursor, name, table, what):
    valid = ask(cursor, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", f'"{name}"')
    if valid is False:
        patiently(cursor, partial(cursor.execute, f'DROP INDEX "{name}"'))
    if not valid:
        cursor.execute(f'CREATE INDEX CONCURRENTLY "{name}" ON "{table}" {what}')


def ask(cursor, statement, *parameters):
    """The first column of the first row, or None."""
    cursor.execute(statement, parameters)
    row = cursor.fetchone()
    return row and row[0]


def patiently(cursor, step):
    """Take the step in a transaction of its own; where it cannot have a lock it gives way and comes again."""
    if cursor.db.vendor != "postgresql":
        return step()
    for tries_left in reversed(range(TRIES)):
        try:
            with transaction.atomic(using=cursor.db.alias):
                cursor.execute("SET LOCAL lock_timeout = '1s'")
                return step()
        except OperationalError as error:
            if not tries_left or getattr(error.__cause__, "pgcode", None) not in GIVES_WAY:
                raise
            time.sleep(1)


class ChangeIndexes(migrations.SeparateDatabaseAndState):
    """The operations as they are, but on PostgreSQL, where the tables are partitioned and in use."""

    def database_forwards(self, app_label, schema_editor, from_state, to_state):
        if schema_editor.connection.vendor == "postgresql":
            change_indexes(schema_editor)
        else:
            super().database_forwards(app_label, schema_editor, from_state, to_state)


OPERATIONS = [
    *(migrations.RemoveIndex(model_name='notification', name=name) for name in OLD),
    migrations.AddIndex(
        model_name='notification',
        index=models.Index(condition=models.Q(('listed__isnull', False)), fields=['listed', 'id'], name='ledger_listed'),
    ),
    migrations.AddIndex(
        model_name='notification',
        index=models.Index(condition=models.Q(('listed', 'queued')), fields=['channel', 'priority', 'id'], name='ledger_free'),
    ),
]


class Migration(migrations.Migration):
    atomic = False  # the slow steps let others work, so each is a transaction of its own
    dependencies = [("notifications", "0006_lease")]
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        ChangeIndexes(database_operations=OPERATIONS, state_operations=OPERATIONS),
    ]
