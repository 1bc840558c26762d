"""The fragments of SQL in which PostgreSQL and SQLite differ, and how many rows travel into a statement.

They go in as one JSON parameter that the statement unpacks: on PostgreSQL this costs a third of `unnest` or
`VALUES`. New rows, which are wide, go in as one text, without the columns' names and JSON's escapes (`lines`).
Times are computed by the database, so that a worker's wrong clock moves nothing.
"""

from __future__ import annotations

import random
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from secrets import token_hex
from threading import Lock
from typing import Any, ClassVar, TypeVar, cast
from uuid import UUID

import msgspec
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from project.database.refusals import sqlstate

T = TypeVar("T")

# What a database answers to a row it cannot store; ValueError is psycopg2's word for NUL.
REFUSALS = (DataError, IntegrityError, ValueError, OverflowError)

_DEADLOCK = ("40P01", "40001")
PAUSE_OF_A_LOSER = 0.02  # seconds at most before the second try, and as much more before each other
READ_SECONDS = 5.0  # a statement of a list in the web; longer ones would use up its threads
_encode = msgspec.json.Encoder(uuid_format="hex").encode  # as both databases read ids


class Dialect(ABC):
    """The fragments of SQL in which the databases differ. Column types in `rows` are PostgreSQL's."""

    now: ClassVar[str]
    skip_locked: ClassVar[str]  # behind a SELECT of the one table aliased `n`, or of that and others

    @abstractmethod
    def later(self, seconds: str) -> str:
        """Returns now plus these seconds; NULL for NULL."""

    @abstractmethod
    def seconds_until(self, moment: str) -> str:
        """Returns the seconds from now until the moment, as a float; NULL for NULL."""

    @abstractmethod
    def minute(self, moment: str) -> str:
        """Returns the beginning of a moment's minute."""

    @abstractmethod
    def size(self, text: str) -> str:
        """Returns the bytes of a text."""

    @abstractmethod
    def rows(self, columns: Mapping[str, str], parameter: str = "%(rows)s") -> str:
        """Returns a FROM item `r` with these columns (name → type), unpacked from one JSON parameter."""

    @abstractmethod
    def among(self, column: str, parameter: str) -> str:
        """Returns a condition: the column is one of the texts in a JSON parameter. Each is looked up in an index."""

    @abstractmethod
    def lines(self, columns: Mapping[str, str]) -> str:
        """Returns the same FROM item, unpacked from the parameters of `as_lines`: half the work for wide rows."""

    @abstractmethod
    def as_lines(self, rows: Sequence[Sequence[Any]]) -> dict[str, str]:
        """Returns the parameters of a statement that reads `lines` of these rows.

        Each row has the values of all columns in their order. Times must be in UTC, and no text may be NULL.
        """

    @abstractmethod
    def returned(self, column: str) -> str:
        """Returns how RETURNING names a column of the table aliased `n`."""

    @abstractmethod
    def returned_row(self, table: str) -> str:
        """Returns how a query inside RETURNING names the row: SQLite has no alias there, PostgreSQL needs it."""

    @abstractmethod
    def lock_timeout(self, seconds: float) -> str:
        """Returns an expression: once it is evaluated, its transaction waits no longer than that for any lock.

        SQLite's one lock has the connection's own timeout.
        """

    @abstractmethod
    def lock_in_order(self, parameter: str) -> str:
        """Returns a statement that locks each text in a JSON parameter until the transaction ends, in one order.

        SQLite's one lock is for all, and whoever writes has it already.
        """

    def returning(self, *columns: str) -> str:
        """Returns RETURNING of these columns of the table aliased `n`."""
        return "RETURNING " + ", ".join(map(self.returned, columns))


class PostgreSQL(Dialect):
    now = "statement_timestamp()"
    skip_locked = "FOR UPDATE OF n SKIP LOCKED"

    def later(self, seconds: str) -> str:
        return f"(statement_timestamp() + ({seconds}) * interval '1 second')"

    def seconds_until(self, moment: str) -> str:
        return f"extract(epoch FROM {moment} - statement_timestamp())::float8"

    def minute(self, moment: str) -> str:
        return f"date_trunc('minute', {moment})"

    def size(self, text: str) -> str:
        return f"octet_length({text})"

    def rows(self, columns: Mapping[str, str], parameter: str = "%(rows)s") -> str:
        fields = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
        return f"json_to_recordset({parameter}::json) AS r({fields})"

    def among(self, column: str, parameter: str) -> str:
        # The planner takes an unknown array for short. For a join it would read all of a table of 20,000 rows.
        return f"{column} = ANY(ARRAY(SELECT json_array_elements_text({parameter}::json)))"

    def lines(self, columns: Mapping[str, str]) -> str:
        places = enumerate(columns.items(), 1)
        fields = ", ".join(f'{_field(place, kind)} AS "{name}"' for place, (name, kind) in places)
        # Without OFFSET 0 the planner would take each line apart again for each of its columns.
        return f"""(SELECT {fields} FROM (
            SELECT string_to_array(line, %(field_end)s) AS f
            FROM string_to_table(%(rows)s, %(line_end)s) AS line OFFSET 0) AS l) AS r"""

    def as_lines(self, rows: Sequence[Sequence[Any]]) -> dict[str, str]:
        plain = msgspec.to_builtins(rows)  # ids and times as text
        ends = (len(rows) - 1, sum(len(row) - 1 for row in rows))
        for line_end, field_end in _ends():
            lines = [field_end.join(["" if value is None else str(value) for value in row]) for row in plain]
            text = line_end.join(lines)
            if not rows or (text.count(line_end), text.count(field_end)) == ends:
                break
        return {"rows": text, "line_end": line_end, "field_end": field_end}

    def returned(self, column: str) -> str:
        return f'n."{column}"'

    def returned_row(self, table: str) -> str:
        return "n"

    def lock_timeout(self, seconds: float) -> str:
        return f"set_config('lock_timeout', '{round(seconds * 1000)}', true)"

    def lock_in_order(self, parameter: str) -> str:
        texts = f"json_array_elements_text({parameter}::json) AS r(text)"
        keys = f"SELECT DISTINCT hashtextextended(text, 0) AS key FROM {texts} ORDER BY key"
        return f"SELECT count(pg_advisory_xact_lock(key)) FROM ({keys}) AS k"


class SQLite(Dialect):
    """Django stores times there as UTC text. Its file has one writer at a time, so there is nothing to skip."""

    now = "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now')"
    skip_locked = ""

    def later(self, seconds: str) -> str:
        return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', round({seconds}, 3) || ' seconds')"

    def seconds_until(self, moment: str) -> str:
        return f"((julianday({moment}) - julianday('now')) * 86400.0)"

    def minute(self, moment: str) -> str:
        return f"strftime('%%Y-%%m-%%d %%H:%%M:00', {moment})"

    def size(self, text: str) -> str:
        return f"length(CAST({text} AS BLOB))"

    def rows(self, columns: Mapping[str, str], parameter: str = "%(rows)s") -> str:
        fields = ", ".join(_value(f"'{name}'", kind) + f' AS "{name}"' for name, kind in columns.items())
        return f"(SELECT {fields} FROM json_each({parameter})) AS r"

    def among(self, column: str, parameter: str) -> str:
        return f"{column} IN (SELECT value FROM json_each({parameter}))"

    def lines(self, columns: Mapping[str, str]) -> str:
        places = enumerate(columns.items())
        fields = ", ".join(f'{_value(place, kind)} AS "{name}"' for place, (name, kind) in places)
        return f"(SELECT {fields} FROM json_each(%(rows)s)) AS r"

    def as_lines(self, rows: Sequence[Sequence[Any]]) -> dict[str, str]:
        return {"rows": as_json(rows)}

    def returned(self, column: str) -> str:
        return f'"{column}"'

    def returned_row(self, table: str) -> str:
        return table

    def lock_timeout(self, seconds: float) -> str:
        return "NULL"

    def lock_in_order(self, parameter: str) -> str:
        return f"SELECT {parameter}"


def _ends() -> Iterator[tuple[str, str]]:
    """Yields what may end a line and a field in `lines`, until the caller has found a pair that is in no text.

    The first are the characters that Unicode has for this. Any text may contain them, but hardly the others.
    """
    yield "\x1e", "\x1f"
    while True:
        token = token_hex(8)
        yield f"\x1e{token}", f"\x1f{token}"


def _field(place: int, kind: str) -> str:
    """Returns a value of a line."""
    return f"f[{place}]" if kind == "text" else f"nullif(f[{place}], '')::{kind}"


def _value(key: str | int, kind: str) -> str:
    """Returns a value of a JSON row. A time, which is in UTC, becomes the text that Django stores there."""
    value = f"value ->> {key}"
    return f"replace(rtrim({value}, 'Z'), 'T', ' ')" if kind == "timestamptz" else value


DIALECTS: dict[str, Dialect] = {"postgresql": PostgreSQL(), "sqlite": SQLite()}


def dialect() -> Dialect:
    return DIALECTS[connection.vendor]


class Statement:
    """A named statement. Its text is written once for each dialect; called with parameters, it runs.

    The text begins with the name, as a comment, by which it is found in the database's views and logs.
    """

    def __init__(self, write: Callable[[Dialect], str]) -> None:
        self.name = write.__name__
        self._write = write
        self._texts: dict[str, str] = {}

    def text(self) -> str:
        """Returns the statement as the database in use takes it, with its %(parameters)s."""
        vendor = connection.vendor
        if vendor not in self._texts:
            words = " ".join(self._write(DIALECTS[vendor]).split())
            self._texts[vendor] = f"/* {self.name} */ {words}"
        return self._texts[vendor]

    def __call__(self, **parameters: Any) -> list[tuple[Any, ...]]:
        """Returns the rows that the statement gives."""
        return fetch(self.text(), parameters)


def as_json(rows: Sequence[Any]) -> str:
    """The one parameter for `Dialect.rows`: msgspec structs or dicts. Times in them must be in UTC."""
    return _encode(rows).decode()


def as_uuid(value: UUID | str) -> UUID:
    """An id as it came out of a raw statement: SQLite gives Django's hex."""
    return value if isinstance(value, UUID) else UUID(value)


def from_time(value: datetime | str | None) -> datetime | None:
    """A time as it came out of a raw statement: SQLite gives text, or UTC without saying so."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def fetch(statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
    """Run one statement; the rows it returns."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def clock() -> datetime:
    """Returns the database's time: a machine whose clock is wrong must not decide what is old."""
    return cast("datetime", from_time(fetch(f"SELECT {dialect().now}")[0][0]))


def read_only() -> bool:
    """Says whether this PostgreSQL takes no writes now, as after a failover to another one."""
    return connection.vendor == "postgresql" and fetch("SELECT current_setting('transaction_read_only')") == [("on",)]


@contextmanager
def bounded_reading(seconds: float = READ_SECONDS) -> Iterator[None]:
    """A transaction in which PostgreSQL ends any statement after so many seconds; SQLite has no such limit.

    The limit ends with the transaction. One of the session would reach, behind PgBouncer, whoever is given the
    connection next. Inside another transaction, the limit of that one is back at the end.
    """
    outer = connection.in_atomic_block
    with transaction.atomic():
        if connection.vendor != "postgresql":
            yield
            return
        before = fetch("SHOW statement_timeout")[0][0] if outer else ""
        fetch("SELECT set_config('statement_timeout', %s, true)", [str(round(seconds * 1000))])
        yield
        if outer:
            fetch("SELECT set_config('statement_timeout', %s, true)", [before])


_turn = Lock()


def turn_to_write() -> AbstractContextManager[Any]:
    """This process's turn to write, taken before a transaction begins; PostgreSQL needs none.

    SQLite lets one write at a time and makes the others look again and again, ever more seldom. Here they queue,
    so that many sending threads, which write to the sandbox, cannot keep the sender from writing down its results.
    """
    return _turn if connection.vendor == "sqlite" else nullcontext()


def repeated(work: Callable[[], T], *, times: int = 5) -> T:
    """`work`, again when it lost a deadlock or a serialisation conflict; it must be one whole transaction.

    It waits for a moment of chance between, so that the same two do not meet again and again.
    """
    for tried in range(1, times):
        try:
            return work()
        except OperationalError as error:
            if sqlstate(error) not in _DEADLOCK:
                raise
            time.sleep(random.uniform(0, PAUSE_OF_A_LOSER * tried))
    return work()
