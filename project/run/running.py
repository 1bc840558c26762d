"""Which process is the `make run` of a port and a VAR_DIR; `python -m project.run.running` (`make kill`) kills it.

Its process id is in a file that it holds locked for as long as it lives, so that a file left behind by a killed
one names nobody, whoever has its number by now.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from pathlib import Path
from typing import IO

from project import environment as env
from project.run.supervisor import TICK, say

BASE_DIR = Path(__file__).resolve().parent.parent.parent
PATIENCE = 10.0  # seconds until it must have ended


def main() -> None:
    """Kills web, sender and supervisor at once, without a chance to clean up, and nothing else."""
    port, directory = port_and_directory()
    pid = holder(directory, port)
    if pid is None:
        sys.exit(f"No make run has port {port} and the directory {directory}. Another one: make kill PORT=… VAR_DIR=…")
    os.kill(pid, signal.SIGQUIT)
    deadline = time.monotonic() + PATIENCE
    while holder(directory, port) == pid:
        if time.monotonic() > deadline:
            sys.exit(f"The process {pid} does not end.")
        time.sleep(TICK)
    say(f"Killed what make run had started on port {port}.")


def port_and_directory() -> tuple[int, Path]:
    """What tells one `make run` from another."""
    return env.whole("PORT", 8020, at_least=1, at_most=65_535), env.directory("VAR_DIR", BASE_DIR / "var")


def hold(directory: Path, port: int) -> IO[str]:
    """Say that this process is the one. Returns the locked file, which must stay open."""
    new = directory / f"run-{port}.{os.getpid()}"
    file = new.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(str(os.getpid()))
    file.flush()
    new.replace(_path(directory, port))  # whole and locked from its first moment
    return file


def holder(directory: Path, port: int) -> int | None:
    """The process that holds it now."""
    try:
        with _path(directory, port).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(_path(directory, port).read_text())
    return None


def _path(directory: Path, port: int) -> Path:
    return directory / f"run-{port}.pid"


if __name__ == "__main__":
    main()
