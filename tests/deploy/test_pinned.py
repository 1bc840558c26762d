"""What is installed, built on and run in CI is named by its content: hashes, digests, commits."""

from __future__ import annotations

import re

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.services.process import ROOT

LOCKS = {"requirements.txt": "requirements.lock", "requirements-dev.txt": "requirements-dev.lock"}
ENTRY = re.compile(r"^(\S+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)((?:    #.*\n)*)", re.MULTILINE)


def asked(name: str) -> dict[str, str]:
    """The pins of a requirements file, by name."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-r")]
    return {str(canonicalize_name(each.name)): str(each.specifier).removeprefix("==") for each in found}


def locked(name: str) -> dict[str, str]:
    """What a lock installs; each entry has at least one hash."""
    text = (ROOT / name).read_text()
    found = {str(canonicalize_name(package)): version for package, version, _, _ in ENTRY.findall(text)}
    assert len(found) == len(re.findall(r"^[^\s#]", text, re.MULTILINE)), "an entry without a hash, or another kind"
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_each_lock_is_what_its_requirements_ask_for(name: str) -> None:
    """Run `make lock` where this fails."""
    wanted, lock = asked(name), locked(LOCKS[name])
    assert {package: lock.get(package) for package in wanted} == wanted
    entries = ENTRY.findall((ROOT / LOCKS[name]).read_text())
    direct = re.compile(rf"-r {re.escape(name)}\b")
    asked_for = {canonicalize_name(package) for package, _, _, via in entries if direct.search(via)}
    assert asked_for == set(wanted)


def test_tests_run_on_what_production_installs() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


@pytest.mark.parametrize("name", LOCKS.values())
def test_a_lock_names_no_index(name: str) -> None:
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|--trusted-host", (ROOT / name).read_text())


def test_the_image_is_built_on_a_digest_from_hashed_packages() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    images = re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)
    assert len(images) == 2
    assert all(re.fullmatch(r"python:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in images)
    installs = re.findall(r"pip install .*", dockerfile)
    assert installs
    assert all("--require-hashes" in line and line.endswith("-r requirements.lock") for line in installs)


def test_actions_are_named_by_content() -> None:
    for workflow in (ROOT / ".github" / "workflows").glob("*.yml"):
        actions = re.findall(r"uses: (\S+)", workflow.read_text())
        assert actions
        assert all(
            action.startswith("./") or re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", action) for action in actions
        )
