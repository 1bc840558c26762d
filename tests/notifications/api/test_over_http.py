"""What only a real server can show: lengths that lie, chunks, headers that break Django, calls at the same time."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness.platform import Platform, wait_until
from harness.platform.web import metric
from tests.caller import EMAIL

BODY = json.dumps(EMAIL).encode()
HEAD = b"POST /notification HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
JSON = b"Content-Type: application/json\r\n"


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with Platform.embedded(Path(tmp_path_factory.mktemp("web"))) as platform:
        platform.prepare()
        platform.start_web("--blocking-threads", "8")
        yield platform


def talk(web: Platform, request: bytes, *, then_hang_up: bool = False) -> tuple[int, Any]:
    """Send raw bytes; status and JSON of the answer, or (0, None) where none came."""
    with socket.create_connection(("127.0.0.1", web.ports[0]), timeout=30) as connection:
        connection.sendall(request)
        if then_hang_up:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65_536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" not in head.lower()
    return (int(head.split()[1]), json.loads(body) if body else None) if head else (0, None)


def rows(web: Platform) -> int:
    return len(web.sql("SELECT id FROM notifications_notification"))


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def test_chunked_body_is_read(web: Platform) -> None:
    before = rows(web)
    body = chunked(BODY[:10], BODY[10:])
    assert talk(web, HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + body)[0] == 202
    assert rows(web) == before + 1


@pytest.mark.parametrize("size", [10_000_000, 6 * 1024 * 1024 + 1])
def test_large_body_gets_its_413(web: Platform, size: int) -> None:
    """The server reads the whole body before it answers, or the caller would see a broken connection and no reason."""
    before = rows(web)
    large = b"x" * size
    sized = talk(web, HEAD + JSON + b"Content-Length: %d\r\n\r\n" % size + large)
    in_chunks = talk(web, HEAD + JSON + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(large))
    for status, words in (sized, in_chunks):
        assert (status, words["code"]) == (413, "too_large")
    assert rows(web) == before


def test_lengths_that_lie(web: Platform) -> None:
    before = rows(web)
    for length in (b"-1", b"x", b"1e3", b"9" * 30):
        assert talk(web, HEAD + JSON + b"Content-Length: " + length + b"\r\n\r\n" + BODY)[0] in (0, 400, 413)
    short = HEAD + JSON + b"Content-Length: %d\r\n\r\n" % (len(BODY) - 1) + BODY
    assert talk(web, short)[0] == 400
    long = HEAD + JSON + b"Content-Length: %d\r\n\r\n" % (len(BODY) + 1) + BODY
    assert talk(web, long, then_hang_up=True)[0] in (0, 400)
    assert talk(web, HEAD + JSON + b"\r\n")[0] == 400
    assert rows(web) == before
    assert web.get("/health/live").status == 200


@pytest.mark.parametrize(
    "content_type",
    [b"application/json; charset*=x'en'%41", b"application/json; charset*=utf-8''%00", b"application/json; a*=''%FF",
     b"application/json; charset=\xff", b"\xff", b"", b";", b"application/json" + b";a=b" * 500],
)  # fmt: skip
def test_strange_content_types(web: Platform, content_type: bytes) -> None:
    before = rows(web)
    request = HEAD + b"Content-Type: %s\r\nContent-Length: %d\r\n\r\n" % (content_type, len(BODY)) + BODY
    status, words = talk(web, request)
    assert (status, words is not None) in ((415, True), (202, True))
    assert rows(web) == before + (status == 202)


@pytest.mark.parametrize("key", [b"", b"   ", b"\xc3\xa9", b"\xff", b"x" * 256])
def test_strange_idempotency_keys(web: Platform, key: bytes) -> None:
    request = HEAD + JSON + b"Idempotency-Key: %s\r\nContent-Length: %d\r\n\r\n" % (key, len(BODY)) + BODY
    status, words = talk(web, request)
    assert (status, list(words)) == (400, ["Idempotency-Key"])


def test_same_key_at_the_same_time(web: Platform) -> None:
    before = rows(web)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: web.post(EMAIL, key="at once"), range(16)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert rows(web) == before + 1


def test_puts_and_deletes_of_one_user_at_the_same_time(web: Platform) -> None:
    check_puts_and_deletes(web)


def test_puts_and_deletes_of_one_user_at_the_same_time_on_postgresql(platform: Platform) -> None:
    platform.prepare()
    platform.start_web("--blocking-threads", "8")
    check_puts_and_deletes(platform)


@pytest.mark.parametrize(("options", "times"), [(("--workers", "1"), 0), (("--workers=2",), 2)])
def test_several_workers_say_that_their_figures_are_not_all(
    embedded: Platform, options: tuple[str, ...], times: int
) -> None:
    web = embedded.start_web(*options)
    words = "One of several workers: /metrics"
    wait_until(lambda: web.output.count(words) == times, deadline=30, what="each worker has written it")


def test_workers_that_share_their_figures_all_show_the_sum(embedded: Platform, tmp_path: Path) -> None:
    embedded.environment["PROMETHEUS_MULTIPROC_DIR"] = str(tmp_path / "figures")
    embedded.prepare()
    web = embedded.start_web("--workers", "2")
    name = "notifications_accepted_total"
    for number in range(10):
        embedded.send(f"receiver{number}@example.org")
        assert metric(embedded.ports[-1], name) == number + 1, "whichever answers"
    assert metric(embedded.ports[-1], "notifications_kafka_up") == 1
    lines = embedded.get("/metrics").body.decode().splitlines()
    assert [line for line in lines if "pid=" in line] == []
    assert "One of several workers" not in web.output


def check_puts_and_deletes(web: Platform) -> None:
    def call(number: int) -> tuple[str, int]:
        if number % 3 == 2:
            return "DELETE", web.request("DELETE", "/users/ann").status
        devices = [{"type": "EMAIL", "address": f"{number}-{place}@example.com"} for place in range(3)]
        body = json.dumps({"name": f"{number}", "devices": devices}).encode()
        return "PUT", web.request("PUT", "/users/ann", body, {"Content-Type": "application/json"}).status

    call(0)
    with ThreadPoolExecutor(8) as pool:
        answers = set(pool.map(call, range(90)))
    assert answers <= {("PUT", 200), ("PUT", 201), ("DELETE", 204), ("DELETE", 404)}
    call(1)
    ann = web.get("/users/ann").json()
    assert (ann["name"], [device["address"] for device in ann["devices"]]) == (
        "1",
        [f"1-{place}@example.com" for place in range(3)],
    )
    assert len(web.sql("SELECT id FROM users_device")) == 3
