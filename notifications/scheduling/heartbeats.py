"""Workers say every few seconds that they are alive, each under a name of its own."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from functools import cache

from django.db.models.functions import Now

from notifications.messages.words import WorkerKind
from notifications.models import WorkerHeartbeat

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


def beat(kind: WorkerKind, started_at: datetime, channels: str = "") -> None:
    """Say that this worker is alive, and forget those long silent."""
    worker = worker_name(kind)
    WorkerHeartbeat.objects.update_or_create(
        worker=worker, defaults={"kind": kind, "channels": channels, "started_at": started_at, "seen_at": Now()}
    )
    WorkerHeartbeat.objects.filter(seen_at__lt=Now() - timedelta(seconds=LONGEST_SILENCE)).delete()
