"""Partitions the ledger and its attempts by the time in their ids, on PostgreSQL; SQLite keeps its tables.

The table there was becomes the first partition, so that no row is copied. Readers and writers go on meanwhile, but
for the last step, which takes some ten milliseconds once it has its locks. Every step looks at what is there: where
the migration was interrupted, running it again goes on.
"""

import time
from datetime import datetime, timedelta, timezone
from functools import partial
from uuid import UUID

from django.db import OperationalError, migrations, transaction

LEDGER, ATTEMPTS = "notifications_notification", "notifications_attempt"
KEYS = {LEDGER: "id", ATTEMPTS: "notification_id"}
PROMISE = "before_the_first_bound"  # a constraint, so that attaching the table need not read it
PRIMARY_KEY = "notifications_attempt_id_notification_id"
# A lock is waited for so many times a second, with a second between: whoever comes later queues behind it.
TRIES = 300
LOCK_NOT_AVAILABLE = "55P03"


def partition(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        if ask(cursor, "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)", LEDGER):
            return
        bound = promised_bound(cursor) or new_bound(cursor)
        for table in KEYS:
            patiently(cursor, partial(promise, cursor, table, bound))
            cursor.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {PROMISE}")
        make_primary_key(cursor)
        patiently(cursor, partial(swap, cursor, bound))


def ask(cursor, statement, *parameters):
    """The first column of the first row, or None."""
    cursor.execute(statement, parameters)
    row = cursor.fetchone()
    return row and row[0]


def patiently(cursor, step):
    """Take the step in a transaction of its own; where it cannot have a lock it gives way and comes again."""
    for tries_left in reversed(range(TRIES)):
        try:
            with transaction.atomic(using=cursor.db.alias):
                cursor.execute("SET LOCAL lock_timeout = '1s'")
                return step()
        except OperationalError as error:
            if not tries_left or getattr(error.__cause__, "pgcode", None) != LOCK_NOT_AVAILABLE:
                raise
            time.sleep(1)


def promised_bound(cursor):
    """The bound of an interrupted run; None without one, or where its time is so near that it is taken back."""
    found = ask(cursor, "SELECT min(obj_description(oid, 'pg_constraint')) FROM pg_constraint WHERE conname = %s", PROMISE)
    bound = found and datetime.fromisoformat(found)
    if bound and bound < datetime.now(timezone.utc) + timedelta(hours=1):
        for table in KEYS:
            patiently(cursor, partial(cursor.execute, f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {PROMISE}"))
        return None
    return bound


def new_bound(cursor):
    """The first midnight to Monday that is at least a day away and later than every row."""
    now = datetime.now(timezone.utc)
    latest = now + timedelta(days=1)
    for table, key in KEYS.items():
        newest = ask(cursor, f"SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1")
        if newest and newest >= id_at(now + timedelta(weeks=4)):
            raise RuntimeError(
                f"{table} has rows whose ids are weeks ahead, the last of them {newest}: a clock was wrong. Delete"
                " them, or wait until their time has come, and migrate again."
            )
        latest = max(latest, time_of(newest) if newest else latest)
    midnight = latest.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=7 - midnight.weekday())


def id_at(moment):
    return UUID(int=int(moment.timestamp() * 1000) << 80)


def time_of(id):
    return datetime.fromtimestamp((id.int >> 80) / 1000, timezone.utc)


def promise(cursor, table, bound):
    """New rows are checked from now on; VALIDATE looks at the others, while everybody goes on."""
    if ask(cursor, "SELECT 1 FROM pg_constraint WHERE conname = %s AND conrelid = to_regclass(%s)", PROMISE, table):
        return
    cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {PROMISE} CHECK ({KEYS[table]} < %s) NOT VALID", [id_at(bound)])
    cursor.execute(f"COMMENT ON CONSTRAINT {PROMISE} ON {table} IS %s", [bound.isoformat()])


def make_primary_key(cursor):
    """A partitioned table's primary key must hold the column by which it is partitioned."""
    valid = ask(cursor, "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", PRIMARY_KEY)
    if valid is False:
        cursor.execute(f"DROP INDEX {PRIMARY_KEY}")
    if not valid:
        cursor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {PRIMARY_KEY} ON {ATTEMPTS} (id, notification_id)")


def swap(cursor, bound):
    """Both tables at once, locked in the order in which settling locks them."""
    cursor.execute(f"LOCK TABLE {LEDGER}, {ATTEMPTS} IN ACCESS EXCLUSIVE MODE")
    sequence = ask(cursor, "SELECT pg_get_serial_sequence(%s, 'id')", ATTEMPTS)
    following = ask(cursor, f"SELECT last_value + 1 FROM {sequence}")
    cursor.execute(f"ALTER TABLE {ATTEMPTS} DROP CONSTRAINT {ATTEMPTS}_pkey")
    cursor.execute(f"ALTER TABLE {ATTEMPTS} ADD CONSTRAINT {ATTEMPTS}_pkey PRIMARY KEY USING INDEX {PRIMARY_KEY}")
    cursor.execute(f"ALTER TABLE {ATTEMPTS} ALTER COLUMN id DROP IDENTITY")
    for table in KEYS:
        put_above(cursor, table, bound)
    cursor.execute(
        f"ALTER TABLE {ATTEMPTS} ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY"
        f" (SEQUENCE NAME {sequence} START WITH {following})"
    )


def put_above(cursor, table, bound):
    """A partitioned table with the columns, indexes, rights and name of `table`, whose first partition that becomes."""
    first = f"{table}_before_{bound:%Y%m%d}"
    indexes, rights, storage = definitions(cursor, table), grants(cursor, table), storage_of(cursor, table)
    cursor.execute(f"ALTER TABLE {table} RENAME TO {first}")
    for name, _ in indexes:
        cursor.execute(f'ALTER INDEX "{name}" RENAME TO "{name[:40]}_before_{bound:%Y%m%d}"')
    cursor.execute(
        f"CREATE TABLE {table} (LIKE {first} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMMENTS)"
        f" PARTITION BY RANGE ({KEYS[table]})"
    )
    for statement in [definition for _, definition in indexes] + rights:
        cursor.execute(statement)
    cursor.execute(f"ALTER TABLE {table} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO (%s)", [id_at(bound)])
    cursor.execute(f"ALTER TABLE {first} DROP CONSTRAINT {PROMISE}")
    cursor.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT {storage}")


def definitions(cursor, table):
    """(name, statement that makes it) of each index, those of constraints too."""
    cursor.execute(
        "SELECT c.relname, CASE WHEN k.oid IS NULL THEN pg_get_indexdef(i.indexrelid) ELSE"
        " format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', i.indrelid::regclass, k.conname, pg_get_constraintdef(k.oid))"
        " END FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
        " LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')"
        " WHERE i.indrelid = to_regclass(%s) AND i.indisvalid ORDER BY c.relname",
        [table],
    )
    return cursor.fetchall()


def grants(cursor, table):
    """Statements that give others the rights they have on it, such as a role for reports."""
    cursor.execute(
        "SELECT format('GRANT %%s ON %%s TO %%s', a.privilege_type, c.oid::regclass,"
        " CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END)"
        " FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = to_regclass(%s) AND a.grantee <> c.relowner",
        [table],
    )
    return [statement for (statement,) in cursor.fetchall()]


def storage_of(cursor, table):
    """The WITH clause of a table with its storage parameters, such as a fillfactor."""
    options = ask(cursor, "SELECT reloptions FROM pg_class WHERE oid = to_regclass(%s)", table)
    return f"WITH ({', '.join(options)})" if options else ""


class Migration(migrations.Migration):
    atomic = False  # the slow steps let others work, so each is a transaction of its own
    dependencies = [("notifications", "0002_default_category")]
    operations = [migrations.RunPython(partition, migrations.RunPython.noop)]
