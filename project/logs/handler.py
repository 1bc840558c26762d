"""Where lines of Python's logging go, and errors that nobody catches."""

from __future__ import annotations

import logging
import sys
import threading
from types import TracebackType

from project.logs.writer import writer

logger = logging.getLogger(__name__)


class ToWriter(logging.Handler):
    """Hands each line to the writer of this process."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # a message whose arguments do not fit is a bug, and no reason to end anything
            record.msg, record.args = f"a line cannot be written: {record.pathname}:{record.lineno}", ()
            line = self.format(record)
        writer.write(f"{line}\n".encode(errors="backslashreplace"))


def log_what_nobody_catches() -> None:
    """Has warnings logged, and an error that ends this process or one of its threads: without what it says."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _of_process
    threading.excepthook = _of_thread


def _of_process(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger.critical("the process ends", exc_info=(kind, error, trace))


def _of_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None:
        return
    name = args.thread.name if args.thread else "unknown"
    logger.error("the thread %s ended", name, exc_info=args.exc_value)
