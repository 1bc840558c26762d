"""`make test`: every test on SQLite, then those that touch a database again on PostgreSQL.

PostgreSQL and Kafka are started once for both runs. Tests that need a program
that is not installed are skipped, and one line names it; with CI=true they fail.
"""

from __future__ import annotations

import os
import subprocess
import sys

from harness.platform.migrated import KEPT
from harness.services import jars, pgbouncer, postgres, shared

WORKERS = "4"  # on two cores: much of a test is waiting for a process
# Apart from the caller's PATH and the like, only what steers tests and the tools they start.
STEERING = ("CI", "MAVEN_OPTS", "JAVA_HOME", "VIRTUAL_ENV", shared.DIRECTORY, shared.RUN)


def main() -> None:
    needed = (postgres.missing_program(), pgbouncer.missing_program(), jars.missing_program())
    missing = [program for program in needed if program]
    if missing and os.environ.get("CI") == "true":
        sys.exit(f"CI must have {' and '.join(missing)}.")
    shared.open_run()
    try:
        codes = [_pytest("on SQLite", {})]
        if postgres.missing_program() is None:
            url = shared.shared_postgres().url("postgres")
            on_postgresql = {"DJANGO_SETTINGS_MODULE": "tests.settings_postgresql", "TEST_DATABASE_URL": url}
            codes.append(_pytest("on PostgreSQL", on_postgresql, "-m", "database"))
    finally:
        shared.close_run()
    if missing:
        _say(f"Skipped what needs {' and '.join(missing)}, which this machine lacks.")
    sys.exit(max(codes))


def _pytest(title: str, environment: dict[str, str], *arguments: str) -> int:
    """Its exit code; 1 where Ctrl-C ended it."""
    _say(f"== Tests {title} ==")
    kept = {name: os.environ[name] for name in (*KEPT, *STEERING) if name in os.environ}
    command = [sys.executable, "-m", "pytest", "-n", WORKERS, "--dist", "loadgroup", *arguments, *sys.argv[1:]]
    process = subprocess.Popen(command, env=kept | environment)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise SystemExit(1) from None


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
