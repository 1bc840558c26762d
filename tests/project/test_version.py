"""One version, wherever it is shown."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from harness.services.process import ROOT
from project import VERSION
from tests.caller import Api, json_of


@pytest.mark.sqlite
def test_it_is_the_same_everywhere(api: Api) -> None:
    assert json_of(api.get("/health/live")) == {"status": "live", "version": VERSION}
    assert json_of(api.get("/schema"))["info"]["version"] == VERSION
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "project.VERSION"}


@pytest.mark.parametrize("arguments", [["--version"], ["version"], ["run_sender", "--version"]])
def test_the_command_line_prints_it_whatever_the_settings_are(arguments: list[str]) -> None:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={"EMBEDDED": "false"}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{VERSION}\n")
