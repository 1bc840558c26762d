"""Checks what is shipped with the linters of each kind of file: `python -m tests.deploy.lint`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

from harness.services.process import ROOT
from tests.deploy.rendered import CRDS, OVERLAYS, Object, rendered

WORKFLOWS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / ".github" / "workflows").glob("*.yml"))
LINTERS = [
    ["hadolint", "Dockerfile"],
    ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
    ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *WORKFLOWS],
    ["check-jsonschema", "--builtin-schema", "custom.github-workflows-require-timeout", *WORKFLOWS],
    ["zizmor", "--offline", "--no-progress", "--quiet", ".github/workflows"],
    ["check-jsonschema", "--builtin-schema", "vendor.renovate", "renovate.json"],
]
KUBERNETES_VERSIONS = ("1.25", "1.37")  # the oldest and the newest there are schemas of


def complaints() -> list[str]:
    """What the linters say, one entry for each that says something."""
    with tempfile.TemporaryDirectory() as directory:
        commands = [*LINTERS, *_kubernetes(Path(directory))]
        return [words for command in commands if (words := _complaint(command))]


def _kubernetes(directory: Path) -> Iterator[list[str]]:
    """Yields a linter for Kubernetes' own objects of all overlays, and one for each kind of another project."""
    objects = [each for overlay in OVERLAYS for each in rendered(overlay)]
    theirs = {path.stem for path in CRDS.glob("*.json")}
    own = [each for each in objects if each["kind"] not in theirs]
    for version in KUBERNETES_VERSIONS:
        yield ["kubernetes-validate", "--strict", "--quiet", "-k", version, *_written(directory, "own", own)]
    for kind in sorted(theirs):
        found = [each for each in objects if each["kind"] == kind]
        yield ["check-jsonschema", "--schemafile", str(CRDS / f"{kind}.json"), *_written(directory, kind, found)]


def _written(directory: Path, name: str, objects: list[Object]) -> Iterator[str]:
    for number, each in enumerate(objects):
        file = directory / f"{name}-{number}-{each['metadata']['name']}.yaml"
        file.write_text(yaml.safe_dump(each))
        yield str(file)


def _complaint(command: list[str]) -> str:
    program, *arguments = command
    command = [str(Path(sys.executable).parent / program), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    words = f"{program}:\n{done.stdout}{done.stderr}"
    return words if done.returncode or "WARN" in words else ""  # of a kind that has no schema it only warns


if __name__ == "__main__":
    sys.exit("\n".join(complaints()) or 0)
