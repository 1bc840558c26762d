"""How, and under which name, a worker says that it is alive."""

from __future__ import annotations

import os
import time

import pytest

from notifications.messages.words import WorkerKind
from notifications.models import WorkerHeartbeat
from notifications.scheduling import heartbeats
from notifications.scheduling.heartbeats import beat, worker_name
from tests.notifications.rows import ago


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


@pytest.mark.django_db
def test_a_beat_renews_when_the_worker_was_seen_and_nothing_else() -> None:
    since = time.monotonic() - 100
    beat(WorkerKind.SENDER, since, "EMAIL,SMS")
    first = WorkerHeartbeat.objects.get()
    assert (first.worker, first.kind, first.channels) == (worker_name(WorkerKind.SENDER), "sender", "EMAIL,SMS")
    assert ago(101) < first.started_at < ago(99)
    WorkerHeartbeat.objects.update(seen_at=ago(30))
    beat(WorkerKind.SENDER, since, "EMAIL,SMS")
    again = WorkerHeartbeat.objects.get()
    assert again.seen_at > ago(5)
    assert (again.pk, again.started_at) == (first.pk, first.started_at)


@pytest.mark.django_db
def test_who_is_silent_for_long_is_forgotten() -> None:
    for worker, silent in (("gone", 61), ("late", 50)):
        WorkerHeartbeat.objects.create(worker=worker, kind="sender", started_at=ago(100), seen_at=ago(silent))
    beat(WorkerKind.SCHEDULER, time.monotonic())
    assert {each.worker for each in WorkerHeartbeat.objects.all()} == {"late", worker_name(WorkerKind.SCHEDULER)}
