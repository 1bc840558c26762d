"""Keeps child processes alive, and ends them together. None outlives this process; lifeline.py ensures that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from project.run.lifeline import end_group, signal_group

GRACE = 9.0  # seconds a child may drain after SIGTERM; the sender takes 8
LONGEST_PAUSE = 30.0
STEADY = 60.0  # a child that ran this long is started again after the shortest pause
TICK = 0.1


class Signals:
    """Counts the requests to stop. The handlers do nothing else. The death of the parent is a request, too.

    SIGQUIT (`make kill`) asks to kill everything at once, as a power cut would.
    """

    def __init__(self) -> None:
        self._received = 0
        self.power_cut = False
        self._parent = os.getppid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)
        signal.signal(signal.SIGQUIT, self._note_power_cut)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._received += 1

    def _note_power_cut(self, _number: int, _frame: FrameType | None) -> None:
        self.power_cut = True

    @property
    def stop(self) -> bool:
        return self._received > 0 or os.getppid() != self._parent

    @property
    def kill(self) -> bool:
        return self._received > 1


class Child:
    """A process that is started again when it ends, after a pause that doubles."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline = -1
        self._pause = 0.0
        self._started = 0.0
        self._start_at = 0.0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def keep_alive(self) -> None:
        """Starts the process where it does not run and its pause has passed."""
        if self.running:
            return
        if self._process is not None:
            self._note_end(self._process)
        if time.monotonic() >= self._start_at:
            self._start()

    def ask_to_end(self) -> None:
        if self._process is not None and self.running:
            signal_group(self._process.pid, signal.SIGTERM)

    def cut_off(self) -> None:
        """Sends SIGKILL to its process group and nothing before, so that it cannot clean up."""
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Kills what is left of its process group."""
        if self._process is not None:
            end_group(self._process.pid, grace=0)
            self._process.wait()
            self._forget()

    def _start(self) -> None:
        reading, self._lifeline = os.pipe()
        command = [sys.executable, "-m", "project.run.lifeline", str(reading), *self._command]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=[reading], start_new_session=True)
        os.close(reading)
        self._started = time.monotonic()

    def _note_end(self, process: subprocess.Popen[bytes]) -> None:
        end_group(process.pid, grace=0)  # a worker that its parent left behind would keep the port
        steady = time.monotonic() - self._started >= STEADY
        self._pause = 1.0 if steady or not self._pause else min(self._pause * 2, LONGEST_PAUSE)
        self._start_at = time.monotonic() + self._pause
        say(f"{self.name} ended ({_how(process.returncode)}); it starts again in {self._pause:.0f} s.")
        self._forget()

    def _forget(self) -> None:
        os.close(self._lifeline)
        self._process = None


def supervise(children: Sequence[Child], signals: Signals, each_tick: Callable[[], None]) -> None:
    """Keeps the children alive until a signal asks to stop. Then ends them within GRACE, or at once on a second one."""
    try:
        while not signals.stop:
            if signals.power_cut:
                _cut_power(children)
            for child in children:
                child.keep_alive()
            each_tick()
            time.sleep(TICK)
        say("Stopping …")
        _drain(children, signals)
    finally:
        for child in children:
            if child.running:
                say(f"{child.name} did not end in time and is killed.")
            child.kill()


def _cut_power(children: Sequence[Child]) -> NoReturn:
    """Kills the children and this process."""
    for child in children:
        child.cut_off()
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("nobody survives SIGKILL")


def _drain(children: Sequence[Child], signals: Signals) -> None:
    deadline = time.monotonic() + GRACE
    for child in children:
        child.ask_to_end()
    while any(child.running for child in children) and time.monotonic() < deadline and not signals.kill:
        time.sleep(TICK)


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _how(code: int | None) -> str:
    return f"killed by {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
