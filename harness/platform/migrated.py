"""A migrated database with an API key, made once on each server and copied for each platform.

Migrations and the key take three processes and several seconds, a copy a fraction of one. Tests of the migrations
themselves begin with an empty database.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import closing

import psycopg2
from psycopg2.extensions import cursor

from harness.services.postgres import ROLE
from harness.services.process import ROOT

KEPT = ("PATH", "HOME", "LANG", "TMPDIR")  # of the caller's environment; nothing of it configures the platform
SECRET_KEY = "for-tests-only-" * 4
SCOPES = ("send", "read", "users", "metrics")
TEMPLATE = "migrated"
ITS_KEY = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s"


def copy_migrated(port: int, name: str) -> str:
    """Creates a database of this name on the server at that port. Returns the API key that is in it.

    Whoever comes first makes what is copied, and the others wait meanwhile.
    """
    with closing(psycopg2.connect(host="127.0.0.1", port=port, user="postgres", dbname="postgres")) as connection:
        connection.autocommit = True
        asked = connection.cursor()
        asked.execute("SELECT pg_advisory_lock(1)")
        asked.execute(ITS_KEY, [TEMPLATE])
        key = (asked.fetchone() or [""])[0] or _make_template(asked, port)
        asked.execute("SELECT pg_advisory_unlock(1)")
        asked.execute(f'CREATE DATABASE "{name}" OWNER {ROLE} TEMPLATE {TEMPLATE}')
        # Or a crash would give the numbers of its sequences again: the copy has the next 32 as written already.
        asked.execute("CHECKPOINT")
    return str(key)


def _make_template(asked: cursor, port: int) -> str:
    """Returns its API key, which is the database's comment, too."""
    asked.execute(f"DROP DATABASE IF EXISTS {TEMPLATE}")
    asked.execute(f"CREATE DATABASE {TEMPLATE} OWNER {ROLE}")
    url = f"postgres://{ROLE}:{ROLE}@127.0.0.1:{port}/{TEMPLATE}"
    _manage(url, "migrate", "--verbosity", "0")
    scopes = [option for scope in SCOPES for option in ("--scope", scope)]
    key = _manage(url, "create_api_key", "tests", "--client", "main", *scopes).split()[-1]
    asked.execute(f"COMMENT ON DATABASE {TEMPLATE} IS %s", [key])
    return key


def _manage(database_url: str, *arguments: str) -> str:
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"SECRET_KEY": SECRET_KEY, "DATABASE_URL": database_url}
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"manage.py {arguments[0]} ended with {done.returncode}:\n{done.stderr}"
    return done.stdout
