"""The examples of docs/clients.md, run as they stand; a proxy answers the first try of each with a 503."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.platform import Platform
from harness.platform.web import request
from harness.services.process import ROOT
from harness.services.shared import skip_without

pytestmark = pytest.mark.xdist_group("clients")

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FOUND = BLOCK.findall((ROOT / "docs" / "clients.md").read_text())
EXAMPLES = dict(FOUND)
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# The file of each example, and the command that runs it.
COMMANDS = {
    "python": ("notify.py", [sys.executable]),
    "sh": ("notify.sh", ["sh", "-e"]),
    "js": ("notify.mjs", ["node"]),
    "go": ("notify.go", ["go", "run"]),
    "java": ("Notify.java", ["java", "-XX:TieredStopAtLevel=1"]),
    "groovy": ("step.sh", ["sh", "-xe"]),  # as Jenkins runs what a step `sh` has
}
NEEDED = {"sh": "curl", "js": "node", "go": "go", "java": "java", "groovy": "curl"}


class Front:
    """A proxy that answers the first request of each idempotency key with a 503, and passes on the others."""

    def __init__(self, port: int) -> None:
        self.bodies: dict[str, list[bytes]] = defaultdict(list)  # by idempotency key
        front = self

        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                tries = front.bodies[self.headers["Idempotency-Key"]]
                tries.append(body)
                if len(tries) == 1:
                    self._write(503, b"full", {"Retry-After": "0"})
                    return
                answer = request(port, "POST", self.path, body, dict(self.headers.items()))
                self._write(answer.status, answer.body, {})

            def _write(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)


@pytest.fixture
def front(web: Platform) -> Iterator[Front]:
    front = Front(web.ports[0])
    thread = threading.Thread(target=front.server.serve_forever)
    thread.start()
    yield front
    front.server.shutdown()
    thread.join()
    front.server.server_close()


def test_the_page_has_one_example_of_each() -> None:
    assert len(FOUND) == len(EXAMPLES)
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("language", COMMANDS)
def test_an_example_repeats_with_its_key_and_prints_the_id(
    web: Platform, key: str, front: Front, tmp_path: Path, language: str
) -> None:
    skip_without(program if (program := NEEDED.get(language)) and shutil.which(program) is None else None)
    name, command = COMMANDS[language]
    code = EXAMPLES[language]
    if language == "groovy":  # a backslash at the end of a line joins lines in Groovy, too
        (code,) = re.findall(r"sh '''\n(.*?)'''", code, re.DOTALL)
    (tmp_path / name).write_text(code)
    environment = {
        "NOTIFICATIONS_URL": f"http://127.0.0.1:{front.server.server_port}",
        "NOTIFICATIONS_API_KEY": key,
        "BUILD_URL": "https://jenkins.example.com/job/shop/12/",
        "PYTHONPATH": str(ROOT / "clients" / "python"),
    }
    done = subprocess.run(
        [*command, name], cwd=tmp_path, env=os.environ | environment,
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ((first, second),) = front.bodies.values()
    assert first == second
    (id,) = UUID.findall(done.stdout)
    row = web.request("GET", f"/notification/{id}", headers={"Authorization": f"Bearer {key}"}, port=web.ports[0])
    assert row.json()["receiver"] == "ann@example.com"
