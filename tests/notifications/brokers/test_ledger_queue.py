"""The embedded queue's consumers sleep, and are woken by whoever publishes. The rest is in test_broker_contract.py."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from pytest_django import Settings

from harness.services.process import ROOT
from notifications.brokers import ledger_queue
from notifications.brokers.base import DURABLE, outbound
from notifications.brokers.ledger_queue import EmbeddedBroker, EmbeddedConsumer
from notifications.ledger import due
from notifications.messages.message import id_in
from notifications.messages.topics import topic_of
from notifications.messages.words import Origin, Status
from tests.notifications.rows import ago, message, read, row

pytestmark = pytest.mark.django_db
FOR_EVER = 3600.0


@pytest.fixture
def directory(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where FIFOs are; nobody looks again unless called."""
    monkeypatch.setattr(ledger_queue, "LOOK_EVERY", FOR_EVER)
    settings.VAR_DIR = tmp_path
    ledger_queue._calls_of.cache_clear()
    yield tmp_path
    ledger_queue._calls_of.cache_clear()


@pytest.fixture
def asleep(directory: Path) -> EmbeddedConsumer:
    consumer = EmbeddedBroker().consumer("EMAIL", "transactional")
    assert consumer.poll(10, 0.0) == []
    return consumer


def test_publishing_wakes(asleep: EmbeddedConsumer) -> None:
    submitted = message()
    assert EmbeddedBroker().publish([outbound(submitted, origin=Origin.INTAKE)]) == [DURABLE]
    (record,) = asleep.poll(10, 20)
    assert id_in(record.value or b"") == submitted.id


def test_what_the_scheduler_brings_back_is_there_when_it_wakes(asleep: EmbeddedConsumer) -> None:
    """Not only once the scheduler has marked it: the call would have come too early."""
    row(Status.WAITING, due_at=ago(1), claims=1)
    (taken,) = due.take_due("scheduler", 10)
    assert EmbeddedBroker().publish([outbound(taken.message, origin=Origin.RETRY)]) == [DURABLE]
    (record,) = asleep.poll(10, 20)
    assert id_in(record.value or b"") == taken.message.id


def test_another_process_wakes(asleep: EmbeddedConsumer, directory: Path) -> None:
    queued = row()
    call = "from notifications.brokers.ledger_queue import _call"
    publish = f"import django; django.setup(); {call}; _call([{queued_topic()!r}])"
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(directory), "DJANGO_SETTINGS_MODULE": "project.settings"}
    subprocess.run([sys.executable, "-c", publish], env=environment, cwd=ROOT, timeout=60, check=True)
    (record,) = asleep.poll(10, 20)
    assert id_in(record.value or b"") == queued.id


def test_whatever_is_reported_durable_is_in_the_ledger(directory: Path) -> None:
    """Also a record of an origin that is new to it."""
    submitted = message()
    assert EmbeddedBroker().publish([outbound(submitted, origin=cast("Origin", "broadcast"))]) == [DURABLE]
    assert read(submitted.id).status == Status.QUEUED


def test_calls_that_make_no_sense_end_nothing(asleep: EmbeddedConsumer, directory: Path) -> None:
    (fifo,) = directory.glob("calls-*")
    fifo.write_bytes(b"\xff\xfe\nno topic of ours\n\n")
    EmbeddedBroker().publish([outbound(message(), origin=Origin.INTAKE)])
    assert len(asleep.poll(10, 20)) == 1
    assert ledger_queue._calls_of(os.getpid()).called.keys() == {queued_topic()}


def test_a_consumer_that_nobody_can_call_any_more_looks_now_and_then(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that wakes it has died, as of an error of its FIFO."""
    ended = threading.Event()
    monkeypatch.setattr(threading, "excepthook", lambda _: ended.set())
    monkeypatch.setattr(ledger_queue, "LOOK_EVERY", 0.05)
    consumer = EmbeddedBroker().consumer("EMAIL", "transactional")
    assert consumer.poll(10, 0.0) == []
    with monkeypatch.context() as broken:
        broken.setattr(os, "read", _fail)
        ledger_queue._call([queued_topic()])  # the last that it reads
        assert ended.wait(20)
    assert consumer.poll(10, 0.1) == []
    EmbeddedBroker().publish([outbound(message(), origin=Origin.INTAKE)])
    assert len(consumer.poll(10, 30)) == 1


def _fail(_fd: int, _size: int) -> bytes:
    raise OSError(errno.EIO, "broken")


def test_other_topics_do_not_wake(asleep: EmbeddedConsumer) -> None:
    EmbeddedBroker().publish([outbound(message(priority="bulk"), origin=Origin.INTAKE)])
    row()
    assert asleep.poll(10, 0.05) == []


def test_the_fifo_of_a_process_that_has_ended_is_removed(directory: Path) -> None:
    left = directory / "calls-999999"
    os.mkfifo(left)
    EmbeddedBroker().publish([outbound(message(), origin=Origin.INTAKE)])
    assert not left.exists()


def test_where_there_is_no_directory_yet_publishing_wakes_too(directory: Path, settings: Settings) -> None:
    """As on PostgreSQL, where nothing else is kept in VAR_DIR."""
    settings.VAR_DIR = directory / "not" / "there"
    consumer = EmbeddedBroker().consumer("EMAIL", "transactional")
    assert consumer.poll(10, 0.0) == []
    EmbeddedBroker().publish([outbound(message(), origin=Origin.INTAKE)])
    assert len(consumer.poll(10, 20)) == 1


def test_without_a_fifo_it_looks_now_and_then(
    directory: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "a file").touch()
    settings.VAR_DIR = directory / "a file"
    monkeypatch.setattr(ledger_queue, "LOOK_EVERY", 0.05)
    consumer = EmbeddedBroker().consumer("EMAIL", "transactional")
    assert consumer.poll(10, 0.0) == []
    EmbeddedBroker().publish([outbound(message(), origin=Origin.INTAKE)])
    assert len(consumer.poll(10, 30)) == 1


def queued_topic() -> str:
    return topic_of("EMAIL", "transactional")
