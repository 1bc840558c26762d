"""Why the database did not do what it was asked, in one sentence that quotes no row and no address.

A database's own message may quote the row it refused, so that it must not be logged or answered. Its SQLSTATE
says enough; where there is none (SQLite, and failures to connect), known phrases of the message do.
"""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

NO_TABLES = "Its tables are missing or old. Run: manage.py migrate."
READ_ONLY = "It is read-only, as a standby or a demoted primary is."
DISK_FULL = "Its disk is full."
NO_LOGIN = "It refuses the user or the password."
NO_RIGHT = "Its role lacks a right on the tables."
NO_DATABASE = "The database of that name does not exist."
NOT_UP = "It is starting or shutting down."
NO_CONNECTION = "It has no connection left."
TOO_SLOW = "A statement took too long and was cancelled."
BUSY = "Others held a lock for too long."
IO_ERROR = "It cannot read or write its files."
DAMAGED = "Its file is damaged, or is no database."
NO_FILE = "Its file cannot be opened."
NO_ANSWER = "It does not answer."

# The longest prefix counts. https://www.postgresql.org/docs/current/errcodes-appendix.html
BY_SQLSTATE = {
    "08": NO_ANSWER,
    "25006": READ_ONLY,
    "25P03": "It ended a transaction that stood still.",
    "28": NO_LOGIN,
    "3D000": NO_DATABASE,
    "3F000": NO_TABLES,
    "40": BUSY,
    "42501": NO_RIGHT,
    "42703": NO_TABLES,
    "42P01": NO_TABLES,
    "53": "It lacks resources.",
    "53100": DISK_FULL,
    "53200": "It is out of memory.",
    "53300": NO_CONNECTION,
    "55P03": BUSY,
    "57": NOT_UP,
    "57014": TOO_SLOW,
    "58": IO_ERROR,
    "58P01": IO_ERROR,
    "XX": "It has an error of its own; its log says more.",
    "XX001": DAMAGED,
    "XX002": DAMAGED,
}
# Of what is a statement's fault, or that of those who have its locks.
OF_A_STATEMENT = ("40", "42", "55", "57014")
# The first that is in the message counts.
BY_PHRASE = {
    "no such table": NO_TABLES,
    "no such column": NO_TABLES,
    "has no column": NO_TABLES,
    "readonly database": READ_ONLY,
    "session is read-only": READ_ONLY,
    "server is in hot standby mode": READ_ONLY,
    "disk is full": DISK_FULL,
    "disk I/O error": IO_ERROR,
    "is locked": BUSY,
    "unable to open database file": NO_FILE,
    "is malformed": DAMAGED,
    "not a database": DAMAGED,
    "authentication failed": NO_LOGIN,
    "no password supplied": NO_LOGIN,
    "pg_hba.conf": NO_LOGIN,
    'FATAL:  role "': NO_LOGIN,
    'FATAL:  database "': NO_DATABASE,
    "no such database": NO_DATABASE,  # PgBouncer
    "starting up": NOT_UP,
    "shutting down": NOT_UP,
    "not yet accepting connections": NOT_UP,
    "too many clients": NO_CONNECTION,
    "connection slots": NO_CONNECTION,
    "too many connections": NO_CONNECTION,
    "no more connections allowed": NO_CONNECTION,  # PgBouncer
    "query_wait_timeout": NO_CONNECTION,  # PgBouncer
    "could not translate host name": "The name of its host is unknown.",
    "certificate": "Its certificate is refused.",
}


def reason(error: BaseException) -> str:
    """Returns the sentence for an error of the database; `It does not answer.` where nothing better is known."""
    if code := sqlstate(error):
        return BY_SQLSTATE.get(code) or BY_SQLSTATE.get(code[:2]) or f"It refused a statement ({code})."
    message = str(error)
    known = next((sentence for phrase, sentence in BY_PHRASE.items() if phrase in message), "")
    name = getattr(error.__cause__, "sqlite_errorname", "")
    return known or (f"It refused a statement ({name})." if name else NO_ANSWER)


def sqlstate(error: BaseException) -> str:
    """Returns PostgreSQL's code of an error as Django raised it, or "" where there is none."""
    return getattr(error.__cause__, "pgcode", None) or ""


def took_too_long(error: BaseException) -> bool:
    """Says whether the database ended a statement because it took too long (see `dialects.bounded_reading`)."""
    return BY_SQLSTATE.get(sqlstate(error)) == TOO_SLOW


def is_outage(error: BaseException) -> bool:
    """Says whether the database or its set-up is at fault, and not the statement: then repeating may help."""
    code = sqlstate(error)
    return isinstance(error, (OperationalError, InterfaceError)) or code in BY_SQLSTATE or code[:2] in BY_SQLSTATE


def is_away(error: BaseException) -> bool:
    """Says whether the database is away or cannot be used, which is no fault of the statement and its locks."""
    return is_outage(error) and not sqlstate(error).startswith(OF_A_STATEMENT)
