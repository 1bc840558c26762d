"""Started too early, twice, or alone: each command says what is wrong and what to run, in one sentence."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from harness.platform import Platform, wait_until
from harness.services.process import ROOT, Process, free_ports
from harness.services.shared import SharedPostgres

MIGRATE = "Run: manage.py migrate"


def run(platform: Platform, *arguments: str) -> tuple[int, list[str]]:
    """A command's exit code and what it says on stderr, by lines."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, env=platform.environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr.splitlines()


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Platform]:
    """Nothing is migrated; the ledger is the queue."""
    if request.param == "sqlite":
        platform = Platform.embedded(tmp_path)
    else:
        postgres: SharedPostgres = request.getfixturevalue("postgres")
        url = postgres.create_database(f"fresh_{uuid4().hex[:12]}")
        platform = Platform.on(tmp_path, url, "", topic_prefix="fresh.")
        platform.environment |= {"EMAIL_URL": "smtp://127.0.0.1:1", "SENDER_THREADS": "2"}
    with platform:
        yield platform


def test_workers_before_the_tables_say_so_and_go_on_once_they_are_there(fresh: Platform) -> None:
    workers = [fresh.start_sender("--channels", "EMAIL", "--no-scheduler"), fresh.start_scheduler()]
    for worker in workers:
        wait_until(partial(_says, worker, MIGRATE), what=f"{worker.name} says what to run")
        assert "does not answer" not in worker.output
    fresh.manage("migrate", "--verbosity", "0")
    beats = "SELECT kind FROM notifications_workerheartbeat"
    wait_until(lambda: len(fresh.sql(beats)) == 2, what="both work")
    assert all(worker.running for worker in workers)


def _says(process: Process, text: str) -> bool:
    return text in process.output


def test_the_web_before_the_tables_answers_503_with_the_reason(fresh: Platform) -> None:
    web = fresh.start_web()
    fresh._key = f"ntf_{'0' * 12}_{'k' * 43}"  # as one made before the tables were lost
    answer = fresh.post({"type": "EMAIL", "receiver": "a@example.com", "message": "Hello"})
    assert answer.status == 503
    wait_until(lambda: MIGRATE in web.output, what="the log says why")
    assert "Traceback" not in web.output


@pytest.mark.parametrize(
    "arguments",
    [["balance"], ["requeue"], ["mend_ledger"], ["create_api_key", "a", "--client", "a", "--scope", "send"]],
    ids=" ".join,
)
def test_commands_before_the_tables_say_what_to_run(fresh: Platform, arguments: list[str]) -> None:
    code, lines = run(fresh, *arguments)
    assert (code, len(lines)) == (1, 1), lines
    assert MIGRATE in lines[0]


def test_a_command_without_its_database_says_so(embedded: Platform) -> None:
    (port,) = free_ports(1)
    url = f"postgres://user:secret@127.0.0.1:{port}/name"
    embedded.environment |= {"DATABASE_URL": url, "SECRET_KEY": "for-tests-only-" * 4}
    code, lines = run(embedded, "balance")
    assert (code, len(lines)) == (1, 1), lines
    assert "secret" not in lines[0]


@pytest.mark.parametrize("command", ["run_scheduler", "run_sender"])
def test_a_metrics_port_that_is_taken_is_one_sentence(embedded: Platform, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, lines = run(embedded, command, "--metrics-port", port)
    assert (code, len(lines)) == (1, 1), lines
    assert f"METRICS_PORT {port}" in lines[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_metrics_listen_where_they_are_told_and_on_loopback_else(embedded: Platform, host: str) -> None:
    (port,) = free_ports(1)
    if host != "127.0.0.1":
        embedded.environment["METRICS_HOST"] = host
    process = psutil.Process(embedded.start_scheduler("--metrics-port", str(port)).pid)

    def listening() -> set[str]:
        found = process.net_connections("tcp")
        return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN and each.laddr.port == port}

    assert wait_until(listening, what="it listens") == {host}


def test_runserver_says_that_nothing_is_sent_without_a_sender(embedded: Platform) -> None:
    (port,) = free_ports(1)
    command = [sys.executable, "-u", "manage.py", "runserver", "--noreload", str(port)]
    server = embedded.start("runserver", command)
    wait_until(lambda: "run_sender" in server.output, what="it says what to run beside it")
    assert "migrate" in server.output
