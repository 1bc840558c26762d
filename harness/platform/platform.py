"""A whole platform in processes, for end-to-end and fault tests, and for benchmarks."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Self
from uuid import uuid4

from harness.platform import database
from harness.platform.migrated import KEPT, SCOPES, SECRET_KEY, copy_migrated
from harness.platform.web import Answer, request
from harness.services.process import ROOT, Process, free_ports
from harness.services.shared import SharedKafka, SharedPostgres
from harness.services.waiting import wait_until


class Platform:
    """A platform. Change `environment` before starting anything. Its processes are killed at the end of the `with`.

    `code` is the checkout whose commands are run: this one, unless it is set to another version's.
    """

    def __init__(self, directory: Path, environment: dict[str, str], database_url: str) -> None:
        self.directory = directory
        self.database_url = database_url
        self.code = ROOT
        self.environment = {name: os.environ[name] for name in KEPT if name in os.environ} | environment
        self.environment["VAR_DIR"] = str(directory / "var")
        self.processes: list[Process] = []
        self.ports: list[int] = []  # of the web processes
        self._key = ""
        self._migrated = False
        self._numbers = itertools.count(1)

    @classmethod
    def embedded(cls, directory: Path) -> Self:
        """Returns a platform as `make run` starts it: SQLite, embedded queue, sandbox, no API keys."""
        return cls(directory, {"NEW_CATEGORIES": "true"}, f"sqlite://{directory}/var/notifications.sqlite3")

    @classmethod
    def on_services(cls, directory: Path, postgres: SharedPostgres, kafka: SharedKafka) -> Self:
        """Returns a platform on PostgreSQL and Kafka. Its channels need settings, and its topics `prepare`.

        Its database is its own: a copy of a migrated one.
        """
        name = f"test_{uuid4().hex[:12]}"
        platform = cls.on(directory, postgres.url(name), kafka.servers, topic_prefix=f"{name}.")
        platform._key = copy_migrated(postgres.port, name)
        platform._migrated = True
        return platform

    @classmethod
    def on(cls, directory: Path, database_url: str, kafka_servers: str, *, topic_prefix: str) -> Self:
        environment = {
            "SECRET_KEY": SECRET_KEY,
            "DATABASE_URL": database_url,
            "KAFKA_BOOTSTRAP_SERVERS": kafka_servers,
            "TOPIC_PREFIX": topic_prefix,
            "RETRY_SCHEDULE": "1,1,1,1,1",
            "NEW_CATEGORIES": "true",
        }
        return cls(directory, environment, database_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()

    # Before anything runs.

    def manage(self, *arguments: str, deadline: float = 120) -> str:
        """Runs a management command to its end. Returns its standard output. Raises AssertionError where it fails."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command, env=self.environment, cwd=self.code, capture_output=True, text=True, timeout=deadline, check=False
        )
        assert done.returncode == 0, f"manage.py {arguments[0]} ended with {done.returncode}:\n{done.stderr}"
        return done.stdout

    def prepare(self, *, partitions: int = 4) -> None:
        """Migrates, unless its database is a copy of a migrated one, and creates the topics where there is Kafka."""
        if not self._migrated:
            self.manage("migrate", "--verbosity", "0")
        if "KAFKA_BOOTSTRAP_SERVERS" in self.environment:
            self.manage("create_topics", "--partitions", str(partitions), "--replication-factor", "1")

    def create_api_key(self, *scopes: str, client: str = "main") -> str:
        """Makes an API key. Returns it as the command shows it."""
        options = [option for scope in scopes or SCOPES for option in ("--scope", scope)]
        return self.manage("create_api_key", "tests", "--client", client, *options).split()[-1]

    # Starting and stopping.

    def start(self, name: str, command: Sequence[str]) -> Process:
        log = self.directory / f"{next(self._numbers)}-{name}.log"
        process = Process(name, command, log=log, env=self.environment, cwd=self.code)
        self.processes.append(process)
        return process

    def start_web(self, *arguments: str, port: int | None = None) -> Process:
        """Starts a web process, on a free port unless one is given. Returns it once it answers.

        `post` and `get` ask the newest one.
        """
        port = port or free_ports(1)[0]
        granian = [sys.executable, "-m", "granian", "--interface", "wsgi", "--port", str(port), *arguments]
        web = self.start("web", [*granian, "project.wsgi:application"])
        wait_until(lambda: self._answers(web, port), deadline=60, what="the web answers")
        self.ports.append(port)
        return web

    def start_sender(self, *arguments: str) -> Process:
        return self.start("sender", [sys.executable, "manage.py", "run_sender", *arguments])

    def start_scheduler(self, *arguments: str) -> Process:
        return self.start("scheduler", [sys.executable, "manage.py", "run_scheduler", *arguments])

    def stop_all(self, deadline: float = 60) -> None:
        """Sends SIGTERM to all processes at once. Raises AssertionError unless each ends with exit code 0."""
        running = [process for process in self.processes if process.running]
        for process in running:
            process.terminate()
        for process in running:
            code = process.wait(deadline)
            assert code == 0, f"{process.name} ended with {code}:\n{process.output[-4000:]}"

    def kill_all(self) -> None:
        """Sends SIGKILL to every process of the platform."""
        for process in self.processes:
            process.kill()

    # Using it.

    def post(
        self, body: object, path: str = "/notification", *, key: str | None = None, port: int | None = None
    ) -> Answer:
        """Posts JSON, or bytes as they are. `key` is the Idempotency-Key. Returns the answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        return self.request("POST", path, raw, headers, port=port)

    def get(self, path: str, *, port: int | None = None) -> Answer:
        return self.request("GET", path, port=port)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        port: int | None = None,
    ) -> Answer:
        """Sends a request, with an API key where the platform requires one. Returns the answer."""
        return request(port or self.ports[-1], method, path, body, self._authorization() | (headers or {}))

    def send(self, receiver: str, *, channel: str = "EMAIL", message: str = "Hello", **fields: object) -> str:
        """Posts a notification. Returns its id. Raises AssertionError where it is not accepted."""
        answer = self.post({"type": channel, "receiver": receiver, "message": message} | fields)
        assert answer.status == 202, f"{answer.status}: {answer.body!r}"
        return str(answer.json()["id"])

    # Looking inside.

    def sql(self, statement: str) -> list[database.Row]:
        """Runs one statement on the platform's database. Returns its rows by column name."""
        return database.rows(self.database_url, statement)

    def statuses(self) -> Counter[str]:
        """Returns how many notifications of the ledger have each status."""
        counted = self.sql("SELECT status, count(*) AS n FROM notifications_notification GROUP BY status")
        return Counter({row["status"]: row["n"] for row in counted})

    def wait_for(self, deadline: float = 60, **statuses: int) -> None:
        """Waits until the ledger has exactly so many rows of each status, and no others: `wait_for(sent=3, dead=1)`."""
        expected = Counter(statuses)
        wait_until(lambda: self.statuses() == expected, deadline=deadline, what=f"the ledger is {statuses}")

    def logs(self) -> list[tuple[str, str]]:
        """Returns the title and the end of each process's output."""
        return [(f"{process.name} ({process.log.name})", process.output[-6000:]) for process in self.processes]

    def _authorization(self) -> dict[str, str]:
        if "DATABASE_URL" not in self.environment and "KAFKA_BOOTSTRAP_SERVERS" not in self.environment:
            return {}
        self._key = self._key or self.create_api_key()
        return {"Authorization": f"Bearer {self._key}"}

    def _answers(self, web: Process, port: int) -> bool:
        assert web.running, f"the web ended:\n{web.output[-4000:]}"
        try:
            return request(port, "GET", "/health/live").status > 0
        except (OSError, HTTPException):
            return False
