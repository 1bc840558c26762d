"""Checks what is shipped with the linters of each kind of file: `python -m tests.deploy.lint`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.services.process import ROOT

WORKFLOW = ".github/workflows/ci.yml"
KUBERNETES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "deploy" / "kubernetes" / "base").glob("*.yaml"))
LINTERS = [
    ["hadolint", "Dockerfile"],
    ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"],
    ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", WORKFLOW],
    ["check-jsonschema", "--builtin-schema", "custom.github-workflows-require-timeout", WORKFLOW],
    ["check-jsonschema", "--builtin-schema", "vendor.renovate", "renovate.json"],
    ["kubernetes-validate", "--strict", *KUBERNETES],
]


def complaints() -> list[str]:
    """What the linters say, one entry for each that says something."""
    found = []
    for program, *arguments in LINTERS:
        command = [str(Path(sys.executable).parent / program), *arguments]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            found.append(f"{program}:\n{done.stdout}{done.stderr}")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(complaints()) or 0)
