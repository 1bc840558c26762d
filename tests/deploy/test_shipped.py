"""What is shipped: the linters agree, and every command of image and compose.yaml starts, without an engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.platform import Platform, wait_until
from harness.platform.web import request
from harness.services.process import ROOT, free_ports
from tests.deploy.image import DOCKERFILE, image_command, image_environment
from tests.deploy.lint import complaints

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())


def shipped_commands() -> list[list[str]]:
    """Each different command of compose.yaml, with its defaults filled in. tests/faults starts those of Kubernetes."""
    found = [service["command"] for service in COMPOSE["services"].values() if "command" in service]
    plain = [[re.sub(r"\$\{\w+:-(.*)\}", r"\1", word) for word in command] for command in found]
    return [list(command) for command in sorted({tuple(command) for command in plain})]


def env_example() -> dict[str, str]:
    """The lines of .env.example as `kubectl create secret --from-env-file` reads them."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.fixture
def image(platform: Platform) -> Platform:
    """The platform with the image's PATH, prepared, and credentials that are never used."""
    platform.prepare()
    platform.environment |= image_environment() | {
        "PATH": f"{Path(sys.executable).parent}:{platform.environment['PATH']}",
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "SLACK_BOT_TOKEN": "xoxb-none",
        "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
        "TWILIO_AUTH_TOKEN": "none",
        "TWILIO_FROM": "+15005550006",
    }
    return platform


def test_the_linters_agree() -> None:
    assert complaints() == []


def test_the_image_serves_the_web(image: Platform) -> None:
    (port,) = free_ports(1)
    at_test = {"0.0.0.0": "127.0.0.1", "8020": str(port)}
    assert set(at_test) <= set(image_command())
    web = image.start("web", [at_test.get(word, word) for word in image_command()])
    image.ports.append(port)
    wait_until(lambda: image._answers(web, port), deadline=60, what="the web answers")
    assert request(port, "GET", "/health/live").status == 200
    image.stop_all()


@pytest.mark.parametrize("command", shipped_commands(), ids=" ".join)
def test_each_shipped_command_runs(image: Platform, command: list[str]) -> None:
    (port,) = free_ports(1)
    at_test = {"9100": str(port), "3": "1"}  # one broker here
    process = image.start("shipped", [at_test.get(word, word) for word in command])
    if "run_sender" in command or "run_scheduler" in command:
        has_beaten = "SELECT 1 FROM notifications_workerheartbeat"
        wait_until(lambda: image.sql(has_beaten) or not process.running, deadline=60, what="the worker shows itself")
        assert process.running, process.output
        process.terminate()
    assert process.wait(60) == 0, process.output


def test_the_image_holds_all_the_code_and_no_tests() -> None:
    _, *stages = DOCKERFILE.split("\nFROM ")
    assert len(stages) == 2
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for package in ("project", "users", "notifications", "dlq"):
        assert f"COPY {package}/ {package}/" in stages[0]
        assert f"!{package}" in ignored
    assert "requirements-dev" not in DOCKERFILE
    assert "\nUSER 10001\n" in stages[1]


def test_senders_may_drain_before_they_are_killed() -> None:
    """The drain at SIGTERM is the send timeout (20 s) and 5 s."""
    assert int(COMPOSE["services"]["sender"]["stop_grace_period"].removesuffix("s")) > 25


def start(environment: dict[str, str], directory: Path) -> tuple[int, list[str]]:
    """A command in the image with this secret: its exit code, and the lines it says."""
    settings = {"PATH": os.environ["PATH"], "VAR_DIR": str(directory)} | image_environment() | environment
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(command, env=settings, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.splitlines()


FILLED_IN = {
    "SECRET_KEY": "for-tests-only-" * 4,
    "DATABASE_URL": "postgres://a:b@127.0.0.1:1/c",
    "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
}


@pytest.mark.parametrize("missing", FILLED_IN)
def test_a_secret_that_lacks_a_service_starts_nothing_and_names_it(missing: str, tmp_path: Path) -> None:
    secret = env_example() | FILLED_IN | {missing: ""}
    code, lines = start(secret, tmp_path / "var")
    assert (code, len(lines)) == (1, 1), lines
    assert lines[0].startswith(f"{missing} must be set")
    assert not (tmp_path / "var").exists()


def test_the_example_filled_in_starts(tmp_path: Path) -> None:
    assert set(FILLED_IN) <= set(env_example())
    assert start(env_example() | FILLED_IN, tmp_path / "var")[0] == 0


def test_the_example_names_settings_there_are() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    of_compose = {"POSTGRES_PASSWORD", "SENDER_CHANNELS"}
    assert {name for name in set(env_example()) - of_compose if f"| `{name}` |" not in reference} == set()
