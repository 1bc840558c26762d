"""Processes that work let the garbage collector look seldom. Each says in its metrics how often it has looked."""

from __future__ import annotations

import subprocess
import sys

from harness.platform import Platform
from harness.platform.web import request
from harness.services.process import ROOT, free_ports
from harness.services.waiting import wait_until

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
