"""Clients that openapi-generator makes of /schema, with its defaults, compile and work."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.platform import Platform
from harness.services import jars
from harness.services.shared import skip_without
from project.run.local import WEB_OPTIONS

HERE = Path(__file__).parent
# Java makes the clients, and each language has its own compiler.
MISSING = [program for program in ("java", "mvn", "node", "go") if shutil.which(program) is None]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    skip_without(" and ".join(MISSING) or None)
    with Platform.embedded(tmp_path_factory.mktemp("web")) as platform:
        platform.environment["API_KEYS_REQUIRED"] = "true"
        platform.prepare()
        platform.start_web(*WEB_OPTIONS)
        yield platform


@pytest.fixture(scope="module")
def key(web: Platform) -> str:
    return web.create_api_key()


def run(command: list[str], directory: Path, **environment: str) -> str:
    """Its standard output. AssertionError where it fails."""
    done = subprocess.run(
        command, cwd=directory, env=os.environ | environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
    return done.stdout


def python(directory: Path) -> list[str]:
    needs = directory / "needs"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(needs)]
    run([*pip, "-r", str(HERE / "requirements.txt")], directory)
    code = "import sys; sys.path[:0] = ['needs', '.']; import runpy; runpy.run_path(sys.argv.pop(1))"
    return [sys.executable, "-c", code, str(HERE / "use.py")]


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


@pytest.mark.parametrize(("generator", "compiled"), [("python", python), ("typescript-fetch", typescript), ("go", go)])
def test_a_generated_client_works(
    web: Platform, key: str, tmp_path: Path, generator: str, compiled: Callable[[Path], list[str]]
) -> None:
    schema = web.request("GET", "/schema", headers={"Authorization": f"Bearer {key}"})
    (tmp_path / "schema.json").write_bytes(schema.body)
    (jar,) = jars.fetched(HERE / "pom.xml").glob("openapi-generator-cli-*.jar")
    run(["java", "-jar", str(jar), "generate", "-i", "schema.json", "-g", generator, "-o", "client"], tmp_path)
    command = compiled(tmp_path / "client")
    words = run([*command, f"http://127.0.0.1:{web.ports[0]}", key], tmp_path / "client").split()
    assert words[1:] == ["EMAIL", words[2], "1", "ann@example.com"]
    assert web.request("GET", f"/notification/{words[0]}", headers={"Authorization": f"Bearer {key}"}).status == 200
