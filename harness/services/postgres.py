"""A private PostgreSQL: its own cluster in a temporary directory, on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg2

from harness.services.process import Process, free_ports
from harness.services.waiting import wait_until

ROLE = "notifications"  # owns its databases, is no superuser; pytest-django has it create test databases
# A crash of the server loses nothing with these; only a crash of the machine would.
SPEED = {"fsync": "off", "full_page_writes": "off", "max_connections": "300"}


def find(program: str) -> str | None:
    """Returns the path of a program of PostgreSQL: from PATH, or where Debian puts it."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: int(path.parts[4]))
    return shutil.which(program) or (str(debian[-1]) if debian else None)


def missing_program() -> str | None:
    """Returns what a test run lacks for PostgreSQL, or None."""
    return None if find("initdb") and find("postgres") else "PostgreSQL (initdb and postgres)"


class Postgres:
    """`start` and `stop` keep data and port, so that a test can take the database away and give it back.

    With `primary` it is a standby that follows that one, until it is promoted.
    """

    def __init__(self, *, primary: Postgres | None = None) -> None:
        # Not below pytest's directories: those are closed to the system user PostgreSQL runs as.
        self.directory = Path(tempfile.mkdtemp(prefix="ntf-pg-"))
        (self.port,) = free_ports(1)
        self._process: Process | None = None
        self._primary = primary
        self._as_user = as_unprivileged_user(self.directory)
        if primary is None:
            self._make()
        else:
            self._copy(primary)

    def _make(self) -> None:
        initdb = [
            str(find("initdb")),
            "-D",
            str(self._data),
            "-U",
            "postgres",
            "--auth=trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run([*self._as_user, *initdb, "--locale=C.UTF-8"], check=True, capture_output=True, cwd="/")

    def _copy(self, primary: Postgres) -> None:
        address = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"]
        backup = [str(find("pg_basebackup")), "-D", str(self._data), "--write-recovery-conf", "--no-sync", *address]
        subprocess.run([*self._as_user, *backup, "--checkpoint=fast"], check=True, capture_output=True, cwd="/")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        settings = SPEED | {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.directory)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [*self._as_user, str(find("postgres")), "-D", str(self._data), "-p", str(self.port), *options]
        self._process = Process("postgres", command, log=self.directory / "log", cwd=Path("/"))
        wait_until(self._answers, what="PostgreSQL answers")
        if self._primary is None:
            self._create_role()

    def promote(self) -> None:
        """Makes the standby the primary. Returns once it takes writes."""
        self.execute("SELECT pg_promote(true)")

    def stop(self, *, immediate: bool = False) -> None:
        """Stops the server and cuts sessions off. `immediate` is a crash, with recovery at the next start."""
        if self._process is not None:
            self._process.signal(signal.SIGQUIT if immediate else signal.SIGINT)
            self._process.wait()
            self._process = None

    def restart(self, *, immediate: bool = False) -> None:
        self.stop(immediate=immediate)
        self.start()

    def close(self) -> None:
        """Stops the server and removes its data."""
        self.stop(immediate=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def create_database(self, name: str) -> str:
        """Creates an empty database of the role. Returns its DATABASE_URL."""
        self.execute(f'CREATE DATABASE "{name}" OWNER {ROLE}')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def url(self, database: str) -> str:
        return f"postgres://{ROLE}:{ROLE}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Runs a statement as superuser, outside a transaction."""
        run_as_superuser(self.port, statement)

    @property
    def pid(self) -> int:
        """The process that has all others of the server as its children."""
        assert self._process is not None
        return self._process.pid

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except psycopg2.OperationalError:
            return False
        return True

    def _create_role(self) -> None:
        try:
            self.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{ROLE}'")
        except psycopg2.errors.DuplicateObject:
            return
        self.create_database(ROLE)


def run_as_superuser(port: int, statement: str, *, database: str = "postgres") -> None:
    connection = psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname=database, connect_timeout=3)
    try:
        connection.autocommit = True
        connection.cursor().execute(statement)
    finally:
        connection.close()


def as_unprivileged_user(directory: Path) -> list[str]:
    """Returns what goes before a command, because PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
