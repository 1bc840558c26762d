"""How a line of Python's logging is written: JSON for programs, or text for a terminal.

Neither says what an exception says, because its words may quote a row, and so an address. An error is its type, its
SQLSTATE and where it was raised.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

ALSO = ("id", "trace_id")  # of a notification, given with `extra=`

encode = msgspec.json.Encoder().encode


class Json(logging.Formatter):
    """An object a line: `time`, `level`, `logger`, `message`, and `id`, `trace_id`, `exception` where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": in_utc(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": message_of(record),
        }
        line |= {name: str(record.__dict__[name]) for name in ALSO if record.__dict__.get(name)}
        if error := error_of(record):
            line["exception"] = traceback_of(error)
        return encode(line).decode()


class Text(logging.Formatter):
    """The time where the process is, the level, the logger and the message; an exception on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        words = [self.formatTime(record), record.levelname, record.name, message_of(record)]
        words += [f"{name}={record.__dict__[name]}" for name in ALSO if record.__dict__.get(name)]
        error = error_of(record)
        return " ".join(words) + (f"\n{traceback_of(error)}" if error else "")


def chosen() -> logging.Formatter:
    """Returns the format of LOG_FORMAT for a process that reads no settings: granian, which starts the web."""
    return Text() if os.environ.get("LOG_FORMAT") == "text" else Json()


def in_utc(seconds: float) -> str:
    """Returns a time since the epoch as RFC 3339 has it, in milliseconds."""
    second, millisecond = divmod(int(seconds * 1000), 1000)
    return f"{_second_in_utc(second)}.{millisecond:03}Z"


@lru_cache(maxsize=1)  # many lines are of one second
def _second_in_utc(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def message_of(record: logging.LogRecord) -> str:
    """Returns the message. Where Django says the path of a request, which may be an address, it has the route."""
    message = record.getMessage().encode(errors="backslashreplace").decode()  # there may be lone surrogates
    request = getattr(record, "request", None)
    path = str(getattr(request, "path", ""))
    if len(path) < 2:
        return message
    match = getattr(request, "resolver_match", None)
    return message.replace(path, f"/{match.route}" if match else "(a path without a route)")


def error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def traceback_of(error: BaseException) -> str:
    """Returns the traceback of an error and of those that led to it, the first one first, without their words."""
    return "\n".join(reversed(list(_tracebacks(error))))


def _tracebacks(error: BaseException | None) -> Iterator[str]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
        code = getattr(error, "pgcode", None)
        where = "".join(traceback.format_tb(error.__traceback__))
        yield f"Traceback (most recent call last):\n{where}{kind}{f' (SQLSTATE {code})' if code else ''}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
