"""A private PgBouncer in transaction mode, in front of a PostgreSQL."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Self

import psycopg2

from harness.services.postgres import ROLE, as_unprivileged_user
from harness.services.process import Process, free_ports
from harness.services.waiting import wait_until

# Few server sessions, so that each statement of a client is likely to meet another one.
SETTINGS = {
    "listen_addr": "127.0.0.1",
    "unix_socket_dir": "",
    "auth_type": "trust",
    "pool_mode": "transaction",
    "default_pool_size": "4",
    "max_client_conn": "200",
    "idle_transaction_timeout": "60",
}


def missing_program() -> str | None:
    """Returns what a test run lacks for PgBouncer, or None."""
    return None if _find() else "pgbouncer"


class PgBouncer:
    """Listens on `port` of 127.0.0.1 and passes on to the PostgreSQL at `target`, until the end of the `with`."""

    def __init__(self, target: int) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ntf-pgbouncer-"))
        (self.port,) = free_ports(1)
        as_user = as_unprivileged_user(self.directory)
        users = self.directory / "users"
        users.write_text(f'"{ROLE}" "{ROLE}"\n')
        settings = SETTINGS | {"listen_port": str(self.port), "auth_file": str(users)}
        lines = [f"{name} = {value}" for name, value in settings.items()]
        ini = self.directory / "pgbouncer.ini"
        ini.write_text("\n".join(["[databases]", f"* = host=127.0.0.1 port={target}", "[pgbouncer]", *lines, ""]))
        self._process = Process("pgbouncer", [*as_user, str(_find()), str(ini)], log=self.directory / "log")

    def __enter__(self) -> Self:
        wait_until(self._answers, what="PgBouncer answers")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _answers(self) -> bool:
        assert self._process.running, self._process.output
        try:
            psycopg2.connect(host="127.0.0.1", port=self.port, user=ROLE, dbname=ROLE, connect_timeout=3).close()
        except psycopg2.OperationalError:
            return False
        return True


def _find() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
