"""Checks of the database."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import Error as DatabaseProblem
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from notifications.ledger import partitions as ledger_partitions
from project.database import schema as models_in_database
from project.database.dialects import fetch, read_only
from project.database.refusals import reason
from project.operations.doctor.examine import LeftOut
from project.operations.health import unapplied_migrations
from project.operations.writing import writing

OLDEST = {"postgresql": 140_000, "sqlite": 3_038_000}  # as each counts its versions: what our statements need
IN_WORDS = {"postgresql": "PostgreSQL 14", "sqlite": "SQLite 3.38"}
CLOCKS_APART = 2.0  # seconds
SHORTEST_TIMEOUT = 60_000  # milliseconds: a migration's or a prune's statement may take so long
NAMED = 3  # migrations in a line
LEAST_AHEAD = timedelta(days=1)


def answers() -> Iterator[str]:
    """It answers a statement."""
    try:
        fetch("SELECT 1")
    except DatabaseProblem as error:
        yield f"{reason(error)} Is DATABASE_URL right? docs/runbooks.md, The database is down."


def version() -> Iterator[str]:
    """It is new enough."""
    if connection.vendor == "postgresql":
        found = int(fetch("SHOW server_version_num")[0][0])
    else:
        major, minor, patch = fetch("SELECT sqlite_version()")[0][0].split(".")
        found = int(major) * 1_000_000 + int(minor) * 1_000 + int(patch)
    if found < OLDEST[connection.vendor]:
        yield f"It is older than {IN_WORDS[connection.vendor]}, which our statements need: upgrade it."


def session() -> Iterator[str]:
    """What a role or a database may be given by hand does not change what our statements mean."""
    _postgresql_alone()
    shown = dict(fetch("SELECT name, setting FROM pg_settings"))
    if shown["default_transaction_isolation"] != "read committed":
        yield (
            f"Its transactions are {shown['default_transaction_isolation']}, and ours are written for read committed: "
            "ALTER ROLE … RESET default_transaction_isolation."
        )
    if shown["synchronous_commit"] == "off":
        yield "synchronous_commit is off, so that a crash forgets what was accepted: ALTER ROLE … RESET it."
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        if 0 < int(shown[name]) < SHORTEST_TIMEOUT:
            yield f"{name} is {shown[name]} ms, which ends our longer work: ALTER ROLE … SET {name} = 0."
    if shown["server_encoding"] != "UTF8":
        yield f"Its encoding is {shown['server_encoding']}, and texts need UTF8: make a database that has it."


def clock() -> Iterator[str]:
    """This machine's clock goes with the database's."""
    _postgresql_alone()
    fetch("SELECT 1")  # so that connecting is not counted
    begun, before = time.monotonic(), datetime.now(UTC)
    (theirs,) = fetch("SELECT clock_timestamp()")[0]
    took = time.monotonic() - begun
    apart = (theirs - before).total_seconds()
    if not -CLOCKS_APART < apart < CLOCKS_APART + took:
        yield (
            f"This machine's clock is {abs(apart):.0f} s {'behind' if apart > 0 else 'ahead of'} the database's: let "
            "both be set by NTP."
        )


def migrations() -> Iterator[str]:
    """All migrations of this version are applied, and none of a newer one."""
    if missing := unapplied_migrations():
        rest = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        yield f"Not applied: {', '.join(missing[:NAMED])}{rest}. Run: manage.py migrate."
    loader = MigrationLoader(connection)
    ours = models_in_database.OURS
    newer = [f"{app}.{name}" for app, name in loader.applied_migrations if app in ours]
    newer = sorted(set(newer) - {f"{app}.{name}" for app, name in loader.disk_migrations})
    if newer:
        yield f"Applied by a newer version than this one: {', '.join(newer)}. Start that version: docs/upgrading.md."


def schema() -> Iterator[str]:
    """Tables, columns and indexes are as the models say, and each index is used."""
    differences = [warning.msg for warning in models_in_database.compare(["default"])]
    yield from (f"{what} {models_in_database.HINT}" for what in differences)
    if connection.vendor == "postgresql":
        invalid = fetch(
            "SELECT i.indexrelid::regclass::text FROM pg_index AS i JOIN pg_class AS t ON t.oid = i.indrelid"
            " WHERE NOT i.indisvalid AND t.relnamespace = current_schema()::regnamespace ORDER BY 1"
        )
        for (name,) in invalid:
            yield f"The index {name} is invalid and not used: DROP INDEX CONCURRENTLY {name}, then make it anew."


def rights() -> Iterator[str]:
    """The role may do what schedulers do: make partitions, and drop them."""
    _postgresql_alone()
    tables = [model._meta.db_table for model in models_in_database.models_of_ours()]
    foreign = fetch(
        "SELECT c.relname FROM pg_class AS c JOIN unnest(%s::text[]) AS name ON c.oid = to_regclass(name)"
        " WHERE NOT pg_has_role(current_user, c.relowner, 'USAGE') ORDER BY 1",
        [tables],
    )
    if foreign:
        names = ", ".join(name for (name,) in foreign)
        yield f"Its role does not own {names}, so it cannot make partitions: ALTER TABLE … OWNER TO the role."
    if fetch("SELECT has_schema_privilege(current_schema(), 'CREATE')") != [(True,)]:
        yield "Its role may not create tables, so it cannot make partitions: GRANT CREATE ON SCHEMA … TO the role."


def writes() -> Iterator[str]:
    """It takes a row."""
    if read_only():
        yield "It is read-only, as a standby is: let DATABASE_URL lead to the primary, or name all servers in it."
        return
    writing.prove()


def partitions() -> Iterator[str]:
    """The next partitions are there, and no row is in the default one."""
    _postgresql_alone()
    last = max((partition.until for partition in ledger_partitions.partitions()), default=None)
    if last is None or last < timezone.now() + LEAST_AHEAD:
        yield (
            f"{f'They end on {last:%Y-%m-%d}' if last else 'There are none'}, and none was made for what comes then. "
            "Let a scheduler run, or read in its log why it cannot make them."
        )
    if rows := ledger_partitions.default_rows():
        yield f"{rows} rows are in the default partition: docs/runbooks.md, The default partition fills."


def _postgresql_alone() -> None:
    if connection.vendor != "postgresql":
        raise LeftOut("The database is a file.")
