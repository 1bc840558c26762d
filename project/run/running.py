"""Finds the `make run` of a port and a VAR_DIR; `python -m project.run.running` (`make kill`) kills it.

A `make run` writes its process id into a file and keeps that file locked for as long as it lives. A file that a killed
one left behind is not locked, so it names nobody, even where another process has that id by now.
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
    pid = process_of(directory, port)
    if pid is None:
        sys.exit(f"No make run has port {port} and the directory {directory}. Another one: make kill PORT=… VAR_DIR=…")
    os.kill(pid, signal.SIGQUIT)
    deadline = time.monotonic() + PATIENCE
    while process_of(directory, port) == pid:
        if time.monotonic() > deadline:
            sys.exit(f"The process {pid} does not end.")
        time.sleep(TICK)
    say(f"Killed what make run had started on port {port}.")


def port_and_directory() -> tuple[int, Path]:
    """Returns the port and the VAR_DIR, which tell one `make run` from another."""
    return env.whole("PORT", 8020, at_least=1, at_most=65_535), env.directory("VAR_DIR", BASE_DIR / "var")


def mark(directory: Path, port: int) -> IO[str]:
    """Writes this process's id into the file. Returns the locked file, which must stay open."""
    new = directory / f"run-{port}.{os.getpid()}"
    file = new.open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    file.write(str(os.getpid()))
    file.flush()
    new.replace(_path(directory, port))  # whole and locked from its first moment
    return file


def process_of(directory: Path, port: int) -> int | None:
    """Returns the id of the process that has the file locked, or None."""
    try:
        with _path(directory, port).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return None
    except BlockingIOError:
        return int(_path(directory, port).read_text())
    return None


def others(directory: Path, port: int) -> list[int]:
    """Returns the ports of the other `make run`s with this VAR_DIR."""
    ports = (int(path.stem.removeprefix("run-")) for path in directory.glob("run-*.pid"))
    return sorted(each for each in ports if each != port and process_of(directory, each) is not None)


def _path(directory: Path, port: int) -> Path:
    return directory / f"run-{port}.pid"


if __name__ == "__main__":
    main()
