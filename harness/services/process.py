"""A command run as a process of its own, with its output in a file. It ends with the process that started it."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from project.run.lifeline import end_group, signal_group

ROOT = Path(__file__).resolve().parent.parent.parent


class Process:
    """Starts at once. `pid` is the command's own, and leads the group of whatever it starts."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path = ROOT
    ) -> None:
        self.name = name
        self.log = log
        reading, self._lifeline = os.pipe()
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [sys.executable, str(ROOT / "project" / "run" / "lifeline.py"), str(reading), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=cwd,
                pass_fds=[reading],
                start_new_session=True,
            )
        os.close(reading)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        """Sends a signal to the command alone."""
        self._popen.send_signal(number)

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def pause(self) -> None:
        """Sends SIGSTOP to the whole group. Returns when the command has stopped."""
        signal_group(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        signal_group(self.pid, signal.SIGCONT)

    def wait(self, deadline: float = 30.0) -> int:
        """Returns the exit code; a negative one is the signal that killed it. AssertionError after `deadline`."""
        try:
            code = self._popen.wait(deadline)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {deadline:g} s:\n{self.output[-4000:]}") from None
        self._let_go()
        return code

    def stop(self, deadline: float = 30.0) -> int:
        """Sends SIGTERM to the command. Returns its exit code."""
        if self.running:
            self.terminate()
        return self.wait(deadline)

    def kill(self) -> None:
        """Sends SIGKILL to the whole group."""
        signal_group(self.pid, signal.SIGKILL)
        self.wait()

    def _let_go(self) -> None:
        """Kills what is left of the group and closes the pipe."""
        if self._lifeline >= 0:
            end_group(self.pid, grace=0)
            os.close(self._lifeline)
            self._lifeline = -1


# Below those that systems give to outgoing connections: one of these would take the port of a stopped server.
PORTS = random.sample(range(10_000, 30_000), 20_000)


def free_ports(count: int) -> list[int]:
    """Returns ports of 127.0.0.1 on which nobody listens now. This process gives each of them once."""
    return [next(port for port in iter(PORTS.pop, None) if _is_free(port)) for _ in range(count)]


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
