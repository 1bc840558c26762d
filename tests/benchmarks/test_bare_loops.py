"""The bare loops send what ours is compared by: each notification once, and all of it."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

from harness.platform import Process, wait_until

COUNT, IN_FLIGHT = 200, 16
CHANNELS = ("EMAIL", "SLACK", "SMS")


@pytest.fixture
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """A provider of the benchmarks; its log, and where it listens."""
    log = tmp_path / "arrivals"
    command = [sys.executable, "-m", "benchmarks.sinks", request.param, "--delay", "0.002", "--log", str(log)]
    process = Process("sink", command, log=tmp_path / "sink")
    request.addfinalizer(process.kill)
    wait_until(lambda: process.output.endswith("\n"), what="the sink listens")
    return log, f"127.0.0.1:{process.output.strip()}"


@pytest.mark.parametrize("loop", ["loop", "event_loop"])
@pytest.mark.parametrize(("channel", "sink"), [(each, each) for each in CHANNELS], indirect=["sink"])
def test_a_bare_loop_sends_each_notification_once(
    channel: str, loop: str, sink: tuple[Path, str], tmp_path: Path
) -> None:
    log, address = sink
    options = ["--url", f"http://{address}", "--in-flight", str(IN_FLIGHT)]
    command = [sys.executable, "-m", "benchmarks.with_django", loop, channel, str(COUNT), *options]
    with Process(loop, command, log=tmp_path / "loop", env=settings_for(address, tmp_path)) as process:
        assert process.wait(60) == 0, process.output
    wait_until(lambda: len(numbers(log)) >= COUNT, what="the log of the sink is written")
    assert numbers(log) == Counter(range(COUNT))


def settings_for(address: str, directory: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "VAR_DIR": str(directory / "var"),
        "EMAIL_URL": f"smtp://{address}",
        "SLACK_WEBHOOK_PREFIXES": f"http://{address}/services/",
        "TWILIO_BASE_URL": f"http://{address}",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "token",
        "TWILIO_FROM": "+15005550006",
    }


def numbers(log: Path) -> Counter[int]:
    """How often each notification arrived."""
    return Counter(int(number) for number in re.findall(r" (\d+)$", log.read_text(), re.MULTILINE))
