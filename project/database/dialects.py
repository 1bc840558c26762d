"""The fragments of SQL in which PostgreSQL and SQLite differ, and the one way rows travel into a statement.

Many rows go in as one JSON parameter that the statement unpacks: on PostgreSQL this costs a third of
`unnest` or `VALUES`. Times are computed by the database, so that a worker's wrong clock moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from project.database.refusals import sqlstate

T = TypeVar("T")

# What a database answers to a row it cannot hold; ValueError is psycopg2's word for NUL.
REFUSALS = (DataError, IntegrityError, ValueError, OverflowError)

_DEADLOCK = ("40P01", "40001")
READ_SECONDS = 5.0  # a statement of a list in the web; longer ones would use up its threads
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Dialect:
    """Fragments; `{}` takes an expression. Column types in `rows` are PostgreSQL's."""

    now: str
    later: str  # now plus {} seconds; NULL for NULL
    seconds_until: str  # from now until {}, as a float; NULL for NULL
    skip_locked: str
    qualified_returning: bool
    size: str  # of the text {}, in bytes
    unpack: Callable[[Mapping[str, str]], str]

    def rows(self, columns: Mapping[str, str]) -> str:
        """A FROM item `r` with these columns (name → type), unpacked from one JSON parameter."""
        return self.unpack(columns)

    def returning(self, *columns: str) -> str:
        """RETURNING of the table aliased `n`; SQLite knows no alias there, PostgreSQL needs it."""
        prefix = "n." if self.qualified_returning else ""
        return "RETURNING " + ", ".join(prefix + column for column in columns)

    def returning_seconds_until(self, column: str) -> str:
        return self.seconds_until.format(f"n.{column}" if self.qualified_returning else column)

    def returned(self, table: str) -> str:
        """How a subquery inside RETURNING names the row of `table`, aliased `n`."""
        return "n" if self.qualified_returning else table


def _unpack_postgresql(columns: Mapping[str, str]) -> str:
    fields = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    return f"jsonb_to_recordset(%s::jsonb) AS r({fields})"


def _unpack_sqlite(columns: Mapping[str, str]) -> str:
    fields = ", ".join(f"value ->> '{name}' AS \"{name}\"" for name in columns)
    return f"(SELECT {fields} FROM json_each(%s)) AS r"


POSTGRESQL = Dialect(
    now="statement_timestamp()",
    later="(statement_timestamp() + ({}) * interval '1 second')",
    seconds_until="extract(epoch FROM {} - statement_timestamp())::float8",
    skip_locked="FOR UPDATE SKIP LOCKED",
    qualified_returning=True,
    size="octet_length({})",
    unpack=_unpack_postgresql,
)
# Django stores times on SQLite as UTC text. Its file has one writer at a time, so there is nothing to skip.
SQLITE = Dialect(
    now="strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')",
    later="strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', round({}, 3) || ' seconds')",
    seconds_until="((julianday({}) - julianday('now')) * 86400.0)",
    skip_locked="",
    qualified_returning=False,
    size="length(CAST({} AS BLOB))",
    unpack=_unpack_sqlite,
)


def dialect() -> Dialect:
    return {"postgresql": POSTGRESQL, "sqlite": SQLITE}[connection.vendor]


def as_json(rows: Sequence[Any]) -> str:
    """The one parameter for `Dialect.rows`: msgspec structs or dicts."""
    return _encode(rows).decode()


def as_time(moment: datetime | None) -> str | None:
    """A time as both databases read it in a session of time zone UTC, which Django's sessions are."""
    return moment.astimezone(UTC).isoformat(" ", "microseconds")[:26] if moment else None


def as_uuid(value: UUID | str) -> UUID:
    """An id as it came out of a raw statement: SQLite gives Django's hex."""
    return value if isinstance(value, UUID) else UUID(value)


def from_time(value: datetime | str | None) -> datetime | None:
    """A time as it came out of a raw statement: SQLite gives text, or UTC without saying so."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def fetch(statement: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    """Run one statement; the rows it returns."""
    with connection.cursor() as cursor:
        cursor.execute(statement, list(parameters))
        return cursor.fetchall() if cursor.description else []


@contextmanager
def bounded_reading() -> Iterator[None]:
    """A transaction in which PostgreSQL ends any statement after READ_SECONDS; SQLite has no such limit.

    The limit ends with the transaction. One of the session would reach, behind PgBouncer, whoever is given the
    connection next.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            fetch("SELECT set_config('statement_timeout', %s, true)", [str(round(READ_SECONDS * 1000))])
        yield


_turn = Lock()


def turn_to_write() -> AbstractContextManager[Any]:
    """This process's turn to write, taken before a transaction begins; PostgreSQL needs none.

    SQLite lets one write at a time and makes the others look again and again, ever more seldom. Here they queue,
    so that many sending threads, which write to the sandbox, cannot keep the sender from writing down its results.
    """
    return _turn if connection.vendor == "sqlite" else nullcontext()


def repeated(work: Callable[[], T], *, times: int = 5) -> T:
    """`work`, again when it lost a deadlock or a serialisation conflict; it must be one whole transaction."""
    for _ in range(times - 1):
        try:
            return work()
        except OperationalError as error:
            if sqlstate(error) not in _DEADLOCK:
                raise
    return work()
