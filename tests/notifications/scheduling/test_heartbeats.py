"""Under which name a worker says that it is alive."""

from __future__ import annotations

import os

import pytest

from notifications.messages.words import WorkerKind
from notifications.scheduling import heartbeats
from notifications.scheduling.heartbeats import worker_name


def test_a_worker_is_named_as_no_other_process_ever_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """In containers the host may be the same, and each process has the id 1."""
    monkeypatch.setattr("socket.gethostname", lambda: "h" * 255)
    monkeypatch.setattr("os.getpid", lambda: 1)
    heartbeats._mark.cache_clear()
    before = worker_name(WorkerKind.SENDER)
    assert worker_name(WorkerKind.SENDER) == before
    assert len(before) <= 100
    heartbeats._mark.cache_clear()  # as in another process, which has nothing of this one
    assert worker_name(WorkerKind.SENDER) != before


def test_a_forked_child_is_another_worker() -> None:
    reading, writing = os.pipe()
    parent = worker_name(WorkerKind.SENDER).split(":")[2]
    if (child := os.fork()) == 0:
        os.write(writing, worker_name(WorkerKind.SENDER).split(":")[2].encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 100).decode() != parent
    os.close(reading)
    os.close(writing)
