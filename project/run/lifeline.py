"""Runs a command that must not outlive its parent: `python -m project.run.lifeline FD COMMAND …`.

FD is the reading end of a pipe; only the parent has the other end open. This process starts a watcher and then becomes
the command, so that its process id and its signals are those of the command. The pipe closes when the parent ends, in
whatever way; then the watcher ends the whole process group of the command. The parent starts it as a group leader.
"""

from __future__ import annotations

import os
import signal
import sys
import time

GRACE = 5.0  # seconds between asking and killing


def main() -> None:
    pipe, command = int(sys.argv[1]), sys.argv[2:]
    group = os.getpid()
    if os.getpgrp() != group:
        sys.exit("project.run.lifeline must lead a process group: start it in a new session.")
    # Two forks: the watcher must not be a child that the command would have to wait for.
    if (child := os.fork()) == 0:
        if os.fork() == 0:
            _watch(pipe, group)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(pipe)
    os.execvp(command[0], command)


def _watch(pipe: int, group: int) -> None:
    os.setsid()
    silence = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(silence, fd)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    while os.read(pipe, 1):
        pass
    end_group(group, GRACE)
    os._exit(0)


def end_group(group: int, grace: float) -> None:
    """Sends SIGTERM to the process group, and SIGKILL to what is left of it after `grace` seconds."""
    deadline = time.monotonic() + grace
    alive = signal_group(group, signal.SIGTERM)
    while alive and time.monotonic() < deadline:
        time.sleep(0.05)
        alive = signal_group(group, 0)
    signal_group(group, signal.SIGKILL)


def signal_group(group: int, number: int) -> bool:
    """Sends the signal to the process group. Returns False where no process of the group is left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of a group whose members are all zombies
        return False
    return True


if __name__ == "__main__":
    main()
