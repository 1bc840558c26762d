"""The writer of a process's lines: everything arrives in order, and nobody waits for a log that nobody reads."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.services.process import ROOT
from harness.services.waiting import wait_until
from project.logs.writer import Writer

PIPE = 65_536  # bytes that Linux keeps of a pipe


def test_a_log_that_nobody_reads_makes_nobody_wait_and_says_what_was_dropped(caplog: pytest.LogCaptureFixture) -> None:
    reading, writing = os.pipe()
    line = b"x" * 99 + b"\n"
    writer = Writer(writing, most=2 * PIPE)
    for _ in range(10):
        writer.write(line * 655)  # ten pipes full, and nobody reads
    with ThreadPoolExecutor() as reader:
        read = reader.submit(Path(f"/dev/fd/{reading}").read_bytes)
        assert writer.flush(30)
        os.close(writing)
        arrived = read.result()
    assert len(arrived) % len(line) == 0, "no line was cut"

    def found() -> list[str]:
        """What the writer logged: clients of other tests may still log that their server is away."""
        return [record.getMessage() for record in caplog.records if record.name == "project.logs.writer"]

    wait_until(lambda: bool(found()), what="it says so")
    dropped = 10 * 655 - len(arrived) // len(line)
    assert dropped > 0
    assert found() == [f"{dropped} lines were dropped, for nobody read the log fast enough"]


@pytest.mark.parametrize("how", ["", "multiprocessing", "os.fork"])
def test_the_last_lines_of_a_process_are_written(how: str) -> None:
    program = """
import os, sys
from multiprocessing import get_context
from project.logs.writer import writer

def work():
    writer.write(b"the last line\\n")

if sys.argv[1] == "multiprocessing":
    writer.write(b"the parent's\\n")
    child = get_context("fork").Process(target=work)
    child.start(); child.join()
elif sys.argv[1] == "os.fork":
    writer.write(b"the parent's\\n")
    if os.fork() == 0:
        work(); sys.exit()
    os.wait()
else:
    work()
"""
    done = subprocess.run([sys.executable, "-c", program, how], cwd=ROOT, capture_output=True, check=True, timeout=60)
    expected = [b"the last line"] + ([b"the parent's"] if how else [])
    assert sorted(done.stderr.splitlines()) == sorted(expected)
