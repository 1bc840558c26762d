"""Kafka's jars, and others a pom.xml names, fetched once by Maven into .kafka/ and kept there."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from functools import cache
from pathlib import Path

from harness.services.process import ROOT

POM = Path(__file__).with_name("pom.xml")
CACHE = ROOT / ".kafka"


def missing_program() -> str | None:
    """Returns what a test run lacks for a Kafka broker, or None."""
    if shutil.which("java") is None:
        return "Java (Kafka)"
    return None if shutil.which("mvn") or _directory(POM).exists() else "Maven (Kafka)"


def class_path() -> str:
    """Returns Java's class path of the broker and its tools."""
    return f"{fetched(POM)}/*"


@cache
def fetched(pom: Path) -> Path:
    """Returns the directory with the jars of a pom.xml."""
    directory = _directory(pom)
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not directory.exists():
            _fetch(pom, directory)
    return directory


def _directory(pom: Path) -> Path:
    """Returns the directory, another one for other versions."""
    return CACHE / f"lib-{hashlib.sha256(pom.read_bytes()).hexdigest()[:12]}"


def _fetch(pom: Path, directory: Path) -> None:
    """Fetches into a directory beside it first, so that a broken download leaves nothing that looks whole."""
    incomplete = directory.with_suffix(".incomplete")
    shutil.rmtree(incomplete, ignore_errors=True)
    command = ["mvn", "--batch-mode", "--quiet", "-f", str(pom), "dependency:copy-dependencies"]
    done = subprocess.run(
        [*command, f"-DoutputDirectory={incomplete}"], capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode:
        raise AssertionError(f"Maven could not fetch the jars of {pom}:\n{done.stdout}{done.stderr}")
    incomplete.rename(directory)
