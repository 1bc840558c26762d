"""Callers who keep the web waiting: who announces a body and is silent, or reads no answer, is in nobody's way."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import DEFAULT_DB_ALIAS, connections
from django.test import RequestFactory

from harness.platform import Platform
from project import places, wsgi
from project.run.local import WEB_OPTIONS
from project.web.pieces import Pieces
from tests.caller import EMAIL

MANY = 2 * places.COUNT  # more than there are places
COOKIE = b"Cookie: csrftoken=%s\r\n" % (b"a" * 32)  # else the form is refused before it is read
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
JSON = b"Content-Type: application/json\r\n"
LENGTH = b"Content-Length: 100000\r\n\r\n"
BUNDLE = b"GET /static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
SILENT = {
    "log-in": (b"POST /admin/login/", COOKIE + FORM + LENGTH + b"x"),
    "upload": (b"POST /admin/login/", COOKIE + b"Content-Type: multipart/form-data; boundary=b\r\n" + LENGTH + b"--b"),
    "submit": (b"POST /notification", JSON + LENGTH + b"{"),
    "batch": (b"POST /notifications", JSON + LENGTH + b"{"),
    "chunked": (b"POST /notification", JSON + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"),
    "too large": (b"POST /notification", JSON + b"Content-Length: 50000000\r\n\r\n{"),
    "directory": (b"PUT /users/ann", JSON + LENGTH + b"{"),
    "options": (b"OPTIONS /users/ann", JSON + LENGTH + b"{"),
    "nowhere": (b"POST /nowhere", COOKIE + FORM + LENGTH + b"x"),
    "get": (b"GET /notifications", JSON + LENGTH + b"{"),
    "no answer read": (BUNDLE, b"\r\n" + (BUNDLE + b" HTTP/1.1\r\nHost: localhost\r\n\r\n") * 8),
}


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.embedded(Path(tmp_path_factory.mktemp("web"))) as platform:
        platform.prepare()
        platform.start_web(*WEB_OPTIONS)
        yield platform


@contextmanager
def silent_callers(web: Platform, line: bytes, rest: bytes) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        callers = [stack.enter_context(socket.socket()) for _ in range(MANY)]
        for caller in callers:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            caller.connect(("127.0.0.1", web.ports[-1]))
            caller.sendall(b"%s HTTP/1.1\r\nHost: localhost\r\n%s" % (line, rest))
        yield callers


def check_that_it_answers(web: Platform) -> None:
    """More often than there are places."""
    for _ in range(3):
        assert web.get("/health/live").status == 200
        assert web.post(EMAIL).status == 202
        assert web.get("/notifications").status == 200
        assert web.get("/admin/login/").status == 200


@pytest.mark.parametrize("kind", SILENT)
def test_the_web_answers_others(web: Platform, kind: str) -> None:
    with silent_callers(web, *SILENT[kind]):
        check_that_it_answers(web)
    check_that_it_answers(web)


def test_what_is_refused_is_refused_before_its_body(web: Platform) -> None:
    for line in (b"POST /nowhere", b"OPTIONS /users/ann", b"GET /notifications", b"PATCH /notification"):
        with silent_callers(web, line, JSON + b"Authorization: Bearer none\r\n" + LENGTH + b"x") as callers:
            for caller in callers:
                assert caller.recv(4096).startswith(b"HTTP/1.1 4")


@pytest.mark.parametrize(("path", "takes_place"), [("/health/live", False), ("/health/ready", True), ("/users", True)])
def test_a_probe_of_liveness_needs_no_place(path: str, takes_place: bool) -> None:
    """All others may wait for a database that hangs; a restart would not help them."""
    environ = RequestFactory().get(path).environ | {"wsgi.multithread": True}
    assert (wsgi._answer_of(environ) is wsgi._places) is takes_place


@pytest.mark.django_db
def test_a_place_that_was_given_up_comes_back_with_a_connection_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else one that another request had looked at before a failover would pass for good."""
    monkeypatch.setattr(places, "COUNT", 1)
    one = places.Places(Mock())
    ours = connections[DEFAULT_DB_ALIAS]
    one._take()
    theirs: Any = connections[DEFAULT_DB_ALIAS]
    try:
        theirs.ensure_connection()
        theirs.health_check_done = True  # as Django says of one that it has looked at
        assert one.outside(one._free.qsize) == 1
        back: Any = connections[DEFAULT_DB_ALIAS]
        assert (back is theirs, back.health_check_done) == (True, False)
    finally:
        theirs.close()
        connections[DEFAULT_DB_ALIAS] = ours


def test_an_answer_in_pieces_has_a_place_only_while_a_piece_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "COUNT", 1)
    inside: list[bool] = []

    def made() -> Iterator[bytes]:
        for number in range(3):
            inside.append(one._free.empty())
            yield b"%d" % number

    one = places.Places(Mock(return_value=Pieces(made())))
    ours = connections[DEFAULT_DB_ALIAS]
    try:
        answer = one({"wsgi.input": Mock()}, Mock())
        assert [(piece, one._free.empty()) for piece in answer] == [(b"0", False), (b"1", False), (b"2", False)]
    finally:
        connections[DEFAULT_DB_ALIAS] = ours
    assert inside == [True, True, True]
    assert not one._free.empty()


def test_threads_share_the_connections_of_the_places(web: Platform) -> None:
    with silent_callers(web, *SILENT["submit"]):
        check_that_it_answers(web)
    for _ in range(2 * MANY):  # the threads of those callers take their turns
        assert web.get("/notifications").status == 200
    ours = 1  # of the thread that writes the minutes
    assert 0 < len(list(open_databases(web))) <= places.COUNT + ours


def open_databases(web: Platform) -> Iterator[Path]:
    """The web's open files that are the database."""
    web_pid = web.processes[-1].pid
    worker = Path(f"/proc/{web_pid}/task/{web_pid}/children").read_text().strip()
    for file in Path(f"/proc/{worker}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed just now
            if file.readlink().suffix == ".sqlite3":
                yield file
