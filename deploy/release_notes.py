"""Prints what CHANGELOG.md says of the version that is tagged: `python3 -m deploy.release_notes v1.1.0`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from project import VERSION

CHANGELOG = Path(__file__).parent.parent / "CHANGELOG.md"


def notes_of(tag: str, version: str, changes: str) -> str:
    """Returns the section of a version. Raises ValueError where the tag is not the version, or there is no section."""
    if tag != f"v{version}":
        raise ValueError(f"The tag is {tag}, and VERSION in project/__init__.py is {version}.")
    heading = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n"
    section = re.search(rf"{heading}(.*?)(?=^## \[|\Z)", changes, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise ValueError(f"CHANGELOG.md has no section [{version}] with a date.")
    return section[1].strip()


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{notes_of(sys.argv[1], VERSION, CHANGELOG.read_text())}\n")
    except ValueError as error:
        sys.exit(str(error))
