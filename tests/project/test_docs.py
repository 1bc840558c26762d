"""README and docs/ name only what exists: links, make targets, commands, tests; and the README's Python works."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from harness.services.process import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").rglob("*.md")])
LINK = re.compile(r"""(?:\]\(|src=")([^)\s"]+)""")
COMMAND = re.compile(r"manage\.py ([a-z_]+)((?: --?[a-z-]+| [A-Za-z0-9_.…-]+)*)")
TESTS = re.compile(r"tests/[\w/]+\.py::(\w+)")
OURS = ("notifications", "users", "dlq")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its fenced code."""
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)(?:[A-Z]+=\S+ )?make ([a-z-]+)", page.read_text(), re.MULTILINE))
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_its_options_exist(page: Path) -> None:
    known = get_commands()
    for name, arguments in COMMAND.findall(page.read_text()):
        assert name in known, name
        app = known[name]
        command = load_command_class(app, name) if isinstance(app, str) else app
        options = command.create_parser("manage.py", name)._option_string_actions
        assert {word for word in arguments.split() if word.startswith("--")} <= set(options), f"{name}{arguments}"


def test_every_command_of_ours_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text()
    ours = {name for name, app in get_commands().items() if app in OURS}
    assert {name for name in ours if f"`manage.py {name}" not in reference} == set()


def test_every_test_that_is_named_exists() -> None:
    for page in PAGES:
        for found in TESTS.finditer(page.read_text()):
            file = ROOT / found[0].partition("::")[0]
            assert f"def {found[1]}(" in file.read_text(), found[0]


@pytest.mark.parametrize(("page", "about", "least"), [("security.md", "threat", 31), ("recipients.md", "fault", 28)])
def test_every_threat_and_every_fault_of_others_names_a_test(page: str, about: str, least: int) -> None:
    lines = (ROOT / "docs" / page).read_text().splitlines()
    rows = [row for begin in (n for n, line in enumerate(lines) if line.startswith(f"| {about} |"))
            for row in itertools.takewhile(lambda line: line.startswith("|"), lines[begin + 2:])]  # fmt: skip
    assert len(rows) >= least
    assert [row for row in rows if not TESTS.search(row)] == []


def test_every_decision_is_listed() -> None:
    listed = (ROOT / "docs" / "adr" / "README.md").read_text()
    pages = sorted(path.name for path in (ROOT / "docs" / "adr").glob("0*.md"))
    assert pages
    assert [name for name in pages if f"({name})" not in listed] == []


class Asked:
    """What a web that is twice unavailable was asked."""

    def __init__(self) -> None:
        self.keys: list[str | None] = []
        self.bodies: list[object] = []


@contextmanager
def twice_unavailable() -> Iterator[tuple[str, Asked]]:
    asked = Asked()

    class Web(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.keys.append(self.headers["Idempotency-Key"])
            asked.bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(503 if len(asked.keys) < 3 else 202)
            self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(b'{"id": "the-id", "status": "accepted"}')

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_python_of_the_readme_repeats_with_one_key() -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    with twice_unavailable() as (url, asked):
        command = [sys.executable, "-c", code.replace("http://localhost:8020", url)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "the-id\n"
    assert len(asked.keys) == 3
    assert len(set(asked.keys)) == 1
    assert asked.keys[0]
    assert asked.bodies[0] == {"type": "EMAIL", "receiver": "test@gmail.com", "message": "Hello from Python"}
