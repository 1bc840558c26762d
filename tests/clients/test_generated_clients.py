"""Clients that openapi-generator makes of /schema, with its defaults, compile and work."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.platform import Platform
from harness.services import jars
from harness.services.shared import skip_without

pytestmark = pytest.mark.xdist_group("clients")

HERE = Path(__file__).parent
# Java makes the clients, and each language has its own compiler.
MISSING = [program for program in ("java", "mvn", "node", "go") if shutil.which(program) is None]


def run(command: list[str], directory: Path, **environment: str) -> str:
    """Its standard output. AssertionError where it fails."""
    done = subprocess.run(
        command, cwd=directory, env=os.environ | environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def typescript(directory: Path) -> list[str]:
    (jar,) = jars.fetched(HERE / "pom.xml").glob("typescript-*.jar")
    with zipfile.ZipFile(jar) as content:
        content.extractall(directory / "compiler")
    (compiler,) = (directory / "compiler").rglob("lib/tsc.js")
    shutil.copy(HERE / "use.ts", directory)
    options = ["--strict", "--target", "es2020", "--module", "commonjs", "--lib", "es2020,dom", "--outDir", "js"]
    run(["node", str(compiler), *options, "use.ts"], directory)
    return ["node", "js/use.js"]


def go(directory: Path) -> list[str]:
    (directory / "use").mkdir()
    shutil.copy(HERE / "use.go", directory / "use" / "main.go")
    run(["go", "build", "-o", "client", "./use"], directory)
    return [str(directory / "client")]


@pytest.mark.parametrize(("generator", "compiled"), [("typescript-fetch", typescript), ("go", go)])
def test_a_generated_client_works(
    web: Platform, key: str, tmp_path: Path, generator: str, compiled: Callable[[Path], list[str]]
) -> None:
    skip_without(" and ".join(MISSING) or None)
    schema = web.request("GET", "/schema", headers={"Authorization": f"Bearer {key}"}, port=web.ports[0])
    (tmp_path / "schema.json").write_bytes(schema.body)
    (jar,) = jars.fetched(HERE / "pom.xml").glob("openapi-generator-cli-*.jar")
    run(["java", "-jar", str(jar), "generate", "-i", "schema.json", "-g", generator, "-o", "client"], tmp_path)
    command = compiled(tmp_path / "client")
    words = run([*command, f"http://127.0.0.1:{web.ports[0]}", key], tmp_path / "client").split()
    assert words[1:] == ["EMAIL", words[2], "1", "ann@example.com"]
    found = web.request(
        "GET", f"/notification/{words[0]}", headers={"Authorization": f"Bearer {key}"}, port=web.ports[0]
    )
    assert found.status == 200
