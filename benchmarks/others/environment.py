"""Where the other systems are installed: a virtual environment and a program of their own, in var/bench/others/."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from benchmarks.render import ROOT

HERE = Path(__file__).resolve().parent
INSTALLED = ROOT / "var" / "bench" / "others"


class NotInstalled(Exception):
    """Something is missing here; the text says what."""


@cache
def python() -> Path:
    """Returns the Python that has what requirements.txt names. Raises NotInstalled."""
    found, wanted = INSTALLED / "bin" / "python", (HERE / "requirements.txt").read_text()
    stamp = INSTALLED / "requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        _run([sys.executable, "-m", "venv", "--clear", str(INSTALLED)])
        _run([str(found), "-m", "pip", "install", "--quiet", "-r", str(HERE / "requirements.txt")])
        stamp.write_text(wanted)
    return found


@cache
def river() -> Path:
    """Returns the program that Go makes of river/main.go. Raises NotInstalled."""
    if shutil.which("go") is None:
        raise NotInstalled("River needs Go")
    INSTALLED.parent.mkdir(parents=True, exist_ok=True)
    program = INSTALLED.parent / "river"
    _run(["go", "build", "-o", str(program), "."], directory=HERE / "river")
    return program


def _run(command: list[str], directory: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotInstalled(f"`{' '.join(command)}` failed: {done.stderr.strip()[-300:]}")
