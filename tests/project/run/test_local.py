"""`make run`, for real: what it prints, and that everything ends or comes back however parts of it are killed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest
from django.conf import settings
from django.test import override_settings

from harness.platform import Platform, Process, wait_until
from harness.platform.web import request
from harness.services.process import ROOT, free_ports
from project.run.local import EXAMPLE, what_is_sent

DEADLINE = 90


class Local:
    """A running `make run` on a port and in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        (self.port,) = free_ports(1)
        self.platform = Platform.embedded(directory)
        self.platform.environment["PORT"] = str(self.port)
        self.process = self.start()

    def start(self) -> Process:
        return self.platform.start("local", [sys.executable, "-m", "project.run.local"])

    def wait_for(self, text: str) -> None:
        """Until it says so; AssertionError at once where it ended."""
        running = self.platform.processes[-1]
        wait_until(lambda: text in running.output or not running.running, deadline=DEADLINE, what=f"it says {text!r}")
        assert text in running.output, running.output

    @property
    def output(self) -> str:
        return self.platform.processes[-1].output

    def answers(self) -> bool:
        try:
            return request(self.port, "GET", "/admin/login/").status == 200
        except (OSError, HTTPException):
            return False

    def members(self, word: str) -> list[psutil.Process]:
        """Its processes (found by VAR_DIR), lifelines apart, whose command line holds `word`."""
        found = []
        for process in psutil.process_iter():
            try:
                mine = process.environ().get("VAR_DIR") == self.platform.environment["VAR_DIR"]
                command = " ".join(process.cmdline())
                if mine and word in command and "lifeline" not in command:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def port_is_free(self) -> bool:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    def all_gone(self) -> bool:
        return not self.members("") and self.port_is_free()


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    local = Local(tmp_path)
    try:
        local.wait_for("Ctrl-C ends everything")
        yield local
    finally:
        local.platform.kill_all()
        wait_until(local.all_gone, what="everything has ended")


def test_it_says_where_to_look_and_the_login_works(local: Local) -> None:
    assert f"http://127.0.0.1:{local.port}/admin/" in local.output
    assert "curl --request POST" in local.output
    assert "Nothing is really sent" in local.output
    password = re.search(r"demo, password (\S+)", local.output)
    assert password
    check = (
        "from django.contrib.auth.models import User as U; print(U.objects.get(is_superuser=True).check_password('{}'))"
    )
    assert local.platform.manage("shell", "-v0", "-c", check.format(password[1])).strip() == "True"


EMAIL = {
    "EMAIL_CONFIGURED": True,
    "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
    "EMAIL_USE_TLS": False,
    "EMAIL_USE_SSL": False,
}
SLACK = {"SLACK_CONFIGURED": True, "SLACK_BOT_TOKEN": "x"}
SMS = {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_AUTH_TOKEN": "x", "TWILIO_FROM": "+14155550100"}


@pytest.mark.parametrize(
    ("set_up", "words"),
    [
        ({}, "Nothing is really sent: EMAIL, SLACK and SMS go to the sandbox, which the admin shows."),
        (EMAIL, "EMAIL is really sent; SLACK and SMS go to the sandbox, which the admin shows."),
        (EMAIL | SMS, "EMAIL and SMS are really sent; SLACK goes to the sandbox, which the admin shows."),
        (EMAIL | SLACK | SMS, "EMAIL, SLACK and SMS are really sent."),
    ],
)
def test_it_says_what_is_really_sent(set_up: dict[str, object], words: str) -> None:
    channels = {name: settings.CHANNELS[name] for name in ("EMAIL", "SLACK", "SMS")}
    with override_settings(SANDBOX_ALLOWED=True, CHANNELS=channels, **set_up):
        assert what_is_sent() == words


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_ends_everything(local: Local, number: int) -> None:
    local.process.signal(number)
    assert local.process.wait(10) == 0
    assert local.all_gone()
    assert "is killed" not in local.output


def test_the_port_is_on_loopback_alone(local: Local) -> None:
    listening = {
        each.laddr.ip
        for process in local.members("granian")
        for each in process.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_nothing_survives_a_killed_supervisor(local: Local) -> None:
    os.kill(local.process.pid, signal.SIGKILL)
    wait_until(local.all_gone, what="web and sender have ended")
    local.process = local.start()
    local.wait_for("Ctrl-C ends everything")


def test_make_kill_kills_its_own_without_a_chance_to_clean_up_and_nothing_else(local: Local, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Local(tmp_path / "other")
    with other.platform:
        other.wait_for("Ctrl-C ends everything")
        others = {process.pid for process in other.members("")}
        assert others
        kill = ["make", "--no-print-directory", "kill"]
        done = subprocess.run(
            kill, env=local.platform.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, str(local.port) in done.stdout) == (0, True), done.stderr
        wait_until(local.all_gone, what="its own have ended")
        assert local.process.wait() == -signal.SIGKILL
        assert "topping" not in local.output
        assert {process.pid for process in other.members("")} >= others
        assert other.answers()
        again = subprocess.run(
            kill, env=local.platform.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert (again.returncode, f"port {local.port}" in again.stderr) == (2, True)


@pytest.mark.parametrize("name", ["c++", "100%25 sure", "a#b?c", "ü 'it' \"is\" $HOME"])
def test_a_checkout_may_be_in_any_folder(tmp_path: Path, name: str) -> None:
    checkout = tmp_path / name
    for part in ("project", "users", "notifications", "dlq"):
        shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", checkout)
    (port,) = free_ports(1)
    platform = Platform.embedded(tmp_path)
    platform.environment["PORT"] = str(port)
    del platform.environment["VAR_DIR"]
    command = [sys.executable, "-m", "project.run.local"]
    with Process("local", command, log=tmp_path / "log", env=platform.environment, cwd=checkout) as local:
        wait_until(
            lambda: "Ctrl-C ends everything" in local.output or not local.running, deadline=DEADLINE, what="it runs"
        )
        answer = request(port, "POST", "/notification", EXAMPLE.encode(), {"Content-Type": "application/json"})
        assert answer.status == 202, local.output
        assert request(port, "GET", "/static/unfold/css/styles.css").status == 200
        local.stop()
    assert (checkout / "var" / "notifications.sqlite3").exists()
    assert {path.name for path in tmp_path.iterdir()} == {name, "log"}


def test_a_killed_web_comes_back_though_its_worker_held_the_port(local: Local) -> None:
    master = min(local.members("granian"), key=lambda process: process.pid)
    master.kill()
    local.wait_for("web ended (killed by SIGKILL); it starts again")
    wait_until(local.answers, deadline=DEADLINE, what="the web answers again")


def test_a_killed_worker_comes_back(local: Local) -> None:
    worker = max(local.members("granian"), key=lambda process: process.pid)
    worker.kill()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, what="the worker is dead")
    wait_until(local.answers, deadline=DEADLINE, what="the web answers again")


def test_a_killed_sender_comes_back(local: Local) -> None:
    (sender,) = wait_until(lambda: local.members("run_sender"), what="the sender runs")
    sender.kill()
    local.wait_for("sender ended (killed by SIGKILL); it starts again")
    wait_until(lambda: local.members("run_sender"), deadline=DEADLINE, what="another sender runs")


def test_a_port_in_use_is_refused(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = os.environ | {"PORT": str(port), "VAR_DIR": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "project.run.local"],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"PORT {port} cannot be used" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_on_services_nothing_is_changed_and_the_commands_are_named(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    database = tmp_path / "own.sqlite3"
    platform = Platform(
        tmp_path,
        {"DATABASE_URL": f"sqlite:///{database}", "SECRET_KEY": "for-tests-only-" * 4, "PORT": str(port)},
        f"sqlite://{database}",
    )
    with platform:
        local = platform.start("local", [sys.executable, "-m", "project.run.local"])
        wait_until(lambda: "Ctrl-C ends everything" in local.output, deadline=DEADLINE, what="it says where it answers")
        for command in ("migrate", "create_api_key NAME", "createsuperuser"):
            assert f"manage.py {command}" in local.output
        assert "password" not in local.output
        assert platform.sql("SELECT name FROM sqlite_master WHERE name = 'users_user'") == []
        local.terminate()
        assert local.wait(10) == 0
