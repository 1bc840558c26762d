"""Processes that work let the garbage collector look seldom. Each says in its metrics how often it has looked."""

from __future__ import annotations

import asyncio
import gc
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from harness.platform import Platform
from harness.platform.web import request
from harness.services.process import ROOT, free_ports
from harness.services.waiting import wait_until
from notifications.api.submit import LeanPost
from notifications.channels.outcomes import Cause, SendError
from notifications.channels.transport.dial import dial
from notifications.ledger.rows import Claimed
from notifications.sending.answers import hand_over
from tests.caller import EMAIL, Api
from tests.notifications.rows import claimed

BATCHES, SIZE = 8, 500


def test_web_sender_and_scheduler_look_seldom_once_they_have_started(embedded: Platform) -> None:
    embedded.prepare()
    embedded.start_web()
    sender, scheduler = free_ports(2)
    embedded.start_sender("--no-scheduler", "--metrics-port", str(sender))
    embedded.start_scheduler("--metrics-port", str(scheduler))
    ports = {"web": embedded.ports[0], "sender": sender, "scheduler": scheduler}
    embedded.send("first@example.com")
    embedded.wait_for(sent=1)
    send_again(embedded)
    before = {name: looks(port) for name, port in ports.items()}
    items = [{"type": "EMAIL", "receiver": f"r{number}@example.com", "message": "m"} for number in range(SIZE)]
    for _ in range(BATCHES):
        assert embedded.post({"notifications": items}, "/notifications").status == 202
    embedded.wait_for(sent=1 + BATCHES * SIZE)
    send_again(embedded)
    looked = {name: looks(port) - before[name] for name, port in ports.items()}
    assert max(looked.values()) < BATCHES, looked


def send_again(embedded: Platform) -> None:
    """The scheduler brings back all there is, and it is sent again."""
    embedded.sql("UPDATE notifications_notification SET status = 'waiting', reason = 'retry', due_at = '2026-01-01'")
    wait_until(lambda: not embedded.statuses().keys() - {"sent"}, deadline=60, what="all is sent again")


def looks(port: int) -> float:
    """Returns how often the process has looked at its young objects."""
    lines = request(port, "GET", "/metrics").body.decode().splitlines()
    (count,) = [line.split()[1] for line in lines if line.startswith('python_gc_collections_total{generation="0"}')]
    return float(count)


def test_what_the_start_made_is_never_looked_at_again(embedded: Platform) -> None:
    """The views among it: they are loaded before the first request."""
    start = "import gc, sys, project.wsgi"
    frozen = "gc.get_freeze_count() > 50_000 and 'notifications.api.submit' in sys.modules"
    command = [sys.executable, "-c", f"{start}; print({frozen})"]
    done = subprocess.run(command, env=embedded.environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


@contextmanager
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def alive(kind: type[object]) -> int:
    return sum(issubclass(type(each), kind) for each in gc.get_objects())


@pytest.mark.django_db
def test_a_post_leaves_nothing_for_the_collector(api: Api) -> None:
    """Neither where it is accepted nor where it is refused: a body may have 6 MiB."""
    with no_collector():
        before = alive(LeanPost)
        for mail, status in ((EMAIL, 202), (EMAIL | {"receiver": "nobody"}, 400)):
            assert api.post("/notification", mail).status_code == status
            assert api.post("/notifications", {"notifications": [mail]}).status_code == status
        assert alive(LeanPost) == before


@pytest.mark.parametrize(
    ("host", "kind"), [("127.0.0.1", ConnectionRefusedError), (f"{'x' * 64}.invalid", socket.gaierror)]
)
def test_a_connection_that_fails_leaves_nothing_for_the_collector(host: str, kind: type[OSError]) -> None:
    """Its frames know the text that was to be sent."""
    (nobody,) = free_ports(1)

    async def fail() -> None:
        with suppress(kind):
            await dial(host, nobody)
            pytest.fail("somebody answered")

    with no_collector():
        before = alive(kind)
        asyncio.run(fail())
        assert alive(kind) == before


class Down:
    def send(self, _row: Claimed) -> str:
        raise SendError(Cause.CONNECTION, "No connection.")


def test_a_send_that_fails_leaves_nothing_for_the_collector() -> None:
    with no_collector():
        before = alive(SendError)
        hand_over(claimed(), Down(), hold=False)
        assert alive(SendError) == before
