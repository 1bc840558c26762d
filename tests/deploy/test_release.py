"""A release says what CHANGELOG.md says of it, and only a tag that is the version makes one."""

from __future__ import annotations

import re

import pytest

from deploy.release_notes import CHANGELOG, notes_of

CHANGES = """# Changes

## [Unreleased]

## [1.1.0] - 2030-01-31

### Added

- A thing.

## [1.0.0] - 2029-01-31

The first.
"""


def test_the_notes_are_the_section_of_the_version() -> None:
    assert notes_of("v1.1.0", "1.1.0", CHANGES) == "### Added\n\n- A thing."
    assert notes_of("v1.0.0", "1.0.0", CHANGES) == "The first."


@pytest.mark.parametrize(("tag", "version"), [("v1.1.0", "1.1.1"), ("1.1.0", "1.1.0"), ("v1.2.0", "1.2.0")])
def test_a_tag_without_its_version_or_section_is_refused(tag: str, version: str) -> None:
    with pytest.raises(ValueError, match=r"The tag is|has no section"):
        notes_of(tag, version, CHANGES)


def test_each_version_has_a_note_on_upgrading() -> None:
    sections = re.split(r"^## ", CHANGELOG.read_text(), flags=re.MULTILINE)[1:]
    assert sections[0].startswith("[Unreleased]")
    assert len(sections) > 1
    assert all("**Upgrading" in section for section in sections)
