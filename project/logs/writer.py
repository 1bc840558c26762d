"""Writes the lines of a process, in a thread of its own: a log that nobody reads keeps no lease from being renewed."""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from collections import deque
from multiprocessing.util import Finalize

STDERR = 2
LINGER = 0.05  # seconds in which lines are gathered for one write
MOST_KEPT = 8 * 1024**2  # bytes that wait to be written
LONGEST_END = 2.0  # seconds that the end of the process waits for its last lines


class Writer:
    """Takes lines from any thread and never waits for their file. What is too much is dropped, counted and named."""

    def __init__(self, file: int = STDERR, *, most: int = MOST_KEPT) -> None:
        self._file = file
        self._most = most
        self.begin()

    def begin(self) -> None:
        """Begins with no lines. A forked child does so, because its parent writes what the parent logged."""
        self._lines: deque[bytes] = deque()
        self._bytes = 0  # taken and not written
        self._lost = 0
        self._lock = threading.Lock()
        self._written = threading.Condition(self._lock)
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def write(self, lines: bytes) -> None:
        """Takes whole lines, each with its end."""
        with self._lock:
            if self._bytes and self._bytes + len(lines) > self._most:
                self._lost += lines.count(b"\n")
                self._wake.set()
                return
            self._bytes += len(lines)
            self._lines.append(lines)
            if self._thread is None:
                self._start()
        if not self._wake.is_set():
            self._wake.set()

    def flush(self, seconds: float = LONGEST_END) -> bool:
        """Waits until everything is written, at most so long. Returns whether it is."""
        with self._written:
            return self._written.wait_for(lambda: not self._bytes, seconds)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        Finalize(None, self.flush, exitpriority=0)  # at the end of this process, also of a child of multiprocessing

    def _run(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(LINGER)
            self._wake.clear()
            self._write_all()

    def _write_all(self) -> None:
        with self._lock:
            lines, lost = b"".join(self._lines), self._lost
            self._lines.clear()
            self._lost = 0
        _write(self._file, lines)
        with self._written:
            self._bytes -= len(lines)
            self._written.notify_all()
        if lost:
            logging.getLogger(__name__).warning("%d lines were dropped, for nobody read the log fast enough", lost)


def _write(file: int, lines: bytes) -> None:
    rest = memoryview(lines)
    while rest:
        try:
            rest = rest[os.write(file, rest) :]
        except BlockingIOError:  # whoever started this process made its output so
            select.select([], [file], [])
        except OSError:  # its reader is gone, so the lines are for nobody
            return


writer = Writer()
os.register_at_fork(after_in_child=writer.begin)
