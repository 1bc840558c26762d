"""One PostgreSQL and one Kafka for a whole test run, shared by all pytest workers.

The first test that asks for a service has it started; `python -m harness.services.shared NAME DIRECTORY PID`
keeps it until the test run (PID) ends. A test that stops or kills a service starts its own instead.
"""

from __future__ import annotations

import dataclasses
import fcntl
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from harness.services import jars, postgres
from harness.services.kafka import Kafka, run_tool
from harness.services.postgres import Postgres
from harness.services.process import ROOT
from harness.services.waiting import wait_until

DIRECTORY = "TEST_SERVICES_DIRECTORY"  # of this test run; pytest's workers inherit it
RUN = "TEST_SERVICES_RUN"  # the process id of the test run


@dataclasses.dataclass(frozen=True)
class SharedPostgres:
    """A running PostgreSQL; each caller makes its own databases."""

    port: int

    def url(self, database: str) -> str:
        return f"postgres://{postgres.ROLE}:{postgres.ROLE}@127.0.0.1:{self.port}/{database}"

    def create_database(self, name: str) -> str:
        """Creates an empty database of the role. Returns its DATABASE_URL."""
        postgres.run_as_superuser(self.port, f'CREATE DATABASE "{name}" OWNER {postgres.ROLE}')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        postgres.run_as_superuser(self.port, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@dataclasses.dataclass(frozen=True)
class SharedKafka:
    """A running broker; each caller takes its own TOPIC_PREFIX."""

    servers: str
    sasl_environment: dict[str, str]

    def run_tool(self, tool: str, *arguments: str, deadline: float = 60) -> str:
        """Returns the output of one of Kafka's own tools, such as `org.apache.kafka.tools.consumer.ConsoleConsumer`."""
        return run_tool(tool, *arguments, "--bootstrap-server", self.servers, deadline=deadline)


def open_run() -> bool:
    """Makes this process the test run that services belong to. Returns False where another one is already."""
    if os.environ.get(DIRECTORY):
        return False
    os.environ[DIRECTORY] = tempfile.mkdtemp(prefix="ntf-services-")
    os.environ[RUN] = str(os.getpid())
    return True


def close_run() -> None:
    """Ends the services of this run."""
    directory = Path(os.environ.pop(DIRECTORY))
    for file in directory.glob("*.json"):
        keeper = json.loads(file.read_text())["keeper"]
        os.kill(keeper, signal.SIGTERM)
        wait_until(functools.partial(_gone, file), deadline=300, what=f"{file.stem} has ended")
    shutil.rmtree(directory, ignore_errors=True)


def _gone(file: Path) -> bool:
    return not file.exists()


def shared_postgres() -> SharedPostgres:
    skip_without(postgres.missing_program())
    return SharedPostgres(**_service("postgres"))


def shared_kafka() -> SharedKafka:
    skip_without(jars.missing_program())
    return SharedKafka(**_service("kafka"))


def skip_without(program: str | None) -> None:
    if program is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"needs {program}, which CI must have")
    pytest.skip(f"needs {program}")


def _service(name: str) -> dict[str, Any]:
    """Returns what the keeper of a service wrote about it. Starts the service where nobody did."""
    directory = Path(os.environ[DIRECTORY])
    with (directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        file = directory / f"{name}.json"
        if not file.exists():
            _start_keeper(name, directory)
        return dict(json.loads(file.read_text())["service"])


def _start_keeper(name: str, directory: Path) -> None:
    log = directory / f"{name}.log"
    command = [sys.executable, "-m", "harness.services.shared", name, str(directory), os.environ[RUN]]
    with log.open("wb") as output:
        # Not a child that ends with this pytest worker: the others still need it.
        keeper = subprocess.Popen(command, stdout=output, stderr=output, cwd=ROOT, start_new_session=True)
    file = directory / f"{name}.json"
    wait_until(lambda: file.exists() or keeper.poll() is not None, deadline=700, what=f"{name} is there; see {log}")
    assert file.exists(), f"{name} did not start:\n{log.read_text()[-4000:]}"


def _keep(name: str, directory: Path, run: int) -> None:
    """Starts the service, writes down its address, and keeps it until SIGTERM or the end of the test run."""
    stop: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
    file = directory / f"{name}.json"
    with Postgres() if name == "postgres" else Kafka() as server:
        if isinstance(server, Postgres):  # autovacuum takes locks of tables at moments that no test chose
            server.execute("ALTER SYSTEM SET autovacuum = off")
            server.execute("SELECT pg_reload_conf()")
        described = dataclasses.asdict(_describe(server))
        incomplete = file.with_suffix(".incomplete")
        incomplete.write_text(json.dumps({"keeper": os.getpid(), "service": described}))
        incomplete.rename(file)
        while not stop and _alive(run):
            time.sleep(0.1)
    file.unlink(missing_ok=True)
    if not _alive(run):
        shutil.rmtree(directory, ignore_errors=True)


def _describe(server: Postgres | Kafka) -> SharedPostgres | SharedKafka:
    if isinstance(server, Postgres):
        return SharedPostgres(server.port)
    return SharedKafka(server.servers, server.sasl_environment)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    _keep(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
