"""The code of the last release, as it was shipped: an upgrade begins with it.

It is kept here and not taken from a tag, because a checkout need have neither tags nor history: CI's has none, and a
test that skips there proves nothing. After a release, `python -m tests.upgrades.release COMMIT VERSION` keeps that one
instead. What is kept names its commit: `xz -dc tests/upgrades/1.0.0.tar.xz | git get-tar-commit-id`.
"""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from harness.services.process import ROOT

HERE = Path(__file__).parent
PRODUCT = ("manage.py", "project", "users", "notifications", "dlq")
ENDING = ".tar.xz"


def kept() -> Path:
    """Returns the archive of the last release, whose name is its version. There is one, or none of this means much."""
    (archive,) = HERE.glob(f"*{ENDING}")
    return archive


def version() -> str:
    return kept().name.removesuffix(ENDING)


def unpack(directory: Path) -> Path:
    """Unpacks the last release into the directory. Returns it, as the checkout that its commands are run in."""
    with tarfile.open(kept()) as archive:
        archive.extractall(directory, filter="data")
    return directory


def migrations() -> set[tuple[str, str]]:
    """Returns the migrations that the last release has, as (app, name)."""
    with tarfile.open(kept()) as archive:
        paths = [Path(name) for name in archive.getnames() if "/migrations/0" in name]
    return {(path.parts[0], path.stem) for path in paths}


def keep(commit: str, version: str) -> None:
    """Keeps the product's code of that commit, and no longer that of the release before."""
    packed = subprocess.run(
        [str(shutil.which("git")), "archive", commit, "--", *PRODUCT], cwd=ROOT, capture_output=True, check=True
    )
    for archive in HERE.glob(f"*{ENDING}"):
        archive.unlink()
    (HERE / f"{version}{ENDING}").write_bytes(lzma.compress(packed.stdout, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    keep(*sys.argv[1:])
