"""Workers say every few seconds that they are alive, each under a name of its own."""

from __future__ import annotations

import os
import socket
import time
from functools import cache

from notifications.messages.words import WorkerKind
from project.database.dialects import Dialect, Statement

LONGEST_SILENCE = 60.0  # seconds, after which a worker's row is removed


def worker_name(kind: WorkerKind) -> str:
    """This process, as heartbeats and breaker events name it: at most 100 characters, and no other's name ever.

    Host and process id are not enough: in containers of one name each process has the id 1, before and after
    a restart, too.
    """
    return f"{socket.gethostname()[:64]}:{os.getpid()}:{_mark(os.getpid())}:{kind}"


@cache
def _mark(_pid: int) -> str:
    """A random word, made once by each process; a forked child makes its own."""
    return os.urandom(4).hex()


def beat(kind: WorkerKind, since: float, channels: str = "") -> None:
    """Says that this worker is alive, and has been since the monotonic time `since`. Forgets those long silent."""
    say_alive(worker=worker_name(kind), kind=kind.value, channels=channels, age=time.monotonic() - since)
    forget_silent(longest=LONGEST_SILENCE)


@Statement
def say_alive(d: Dialect) -> str:
    return f"""
        INSERT INTO notifications_workerheartbeat (worker, kind, channels, started_at, seen_at)
        VALUES (%(worker)s, %(kind)s, %(channels)s, {d.later("-(%(age)s)")}, {d.now})
        ON CONFLICT (worker) DO UPDATE SET seen_at = excluded.seen_at"""


@Statement
def forget_silent(d: Dialect) -> str:
    return f"DELETE FROM notifications_workerheartbeat WHERE seen_at < {d.later('-(%(longest)s)')}"
