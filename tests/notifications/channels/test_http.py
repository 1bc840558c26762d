"""The HTTP transport: connections, deadlines, and what is certain when something breaks."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trustme

from harness.fakes.slack import SlackFake
from notifications.channels.outcomes import Cause, Outcome, SendError
from notifications.channels.transport.answer import Answer
from tests.notifications.channels.on_loop import Opened, Posts
from tests.notifications.channels.parts import tls_pair
from tests.notifications.channels.raw import unanswered


def post(http: Posts, fake: SlackFake) -> Answer:
    return http.post(fake.webhook("T1/B1/x"), b'{"text": "Hi"}', {"Content-Type": "application/json"})


def refused(http: Posts, url: str) -> SendError:
    with pytest.raises(SendError) as caught:
        http.post(url, b"{}", {})
    return caught.value


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that reads one request on each connection and then does what `talk` does."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connected, _ = listening.accept()
            except OSError:
                return
            with connected:
                connected.recv(65_536)
                talk(connected)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def test_a_connection_is_reused(opened: Opened) -> None:
    with SlackFake() as slack:
        http = opened(5)
        for _ in range(5):
            assert post(http, slack).status == 200
        assert slack.connections == 1


def test_a_connection_closed_while_idle_is_no_failure(opened: Opened) -> None:
    with SlackFake() as slack:
        http = opened(5)
        for _ in range(3):
            assert post(http, slack).status == 200
            slack.hang_up()
        assert len(slack.accepted) == slack.connections == 3


def test_a_cut_connection_is_not_used_again_and_nothing_is_sent_twice(opened: Opened) -> None:
    with SlackFake() as slack:
        http = opened(5)
        post(http, slack)
        slack.answer(drop=True, times=1)
        with pytest.raises(SendError) as caught:
            post(http, slack)
        assert caught.value.outcome is Outcome.UNCERTAIN
        assert len(slack.accepted) == 2  # not repeated by itself
        assert post(http, slack).status == 200
        assert len(slack.accepted) == 3


def test_close_ends_the_connection_and_the_next_send_opens_one(opened: Opened) -> None:
    with SlackFake() as slack:
        http = opened(5)
        post(http, slack)
        http.close()
        post(http, slack)
        assert slack.connections == 2


def test_a_trickle_does_not_outlive_the_deadline(opened: Opened) -> None:
    stop = threading.Event()

    def trickle(connected: socket.socket) -> None:
        connected.sendall(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.05):
            try:
                connected.sendall(b"X-More: 1\r\n")
            except OSError:
                return

    with raw_server(trickle) as url:
        error = refused(opened(0.5), url)
        stop.set()
    assert (error.cause, error.uncertain) == (Cause.TIMEOUT, True)


@pytest.mark.timeout(30)  # at the old cost of a second for each address it would take half an hour
def test_the_addresses_of_a_name_share_one_deadline(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    with unanswered() as place:
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place)] * 2_000
        )
        error = refused(opened(1), "http://many.example/")
    assert (error.cause, error.outcome) == (Cause.CONNECTION, Outcome.TRANSIENT)


def test_a_silent_address_leaves_time_for_the_next_one(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    with unanswered() as silent, SlackFake() as slack:
        places = [silent, ("127.0.0.1", slack.port)]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", at) for at in places]
        )
        assert opened(3).post("http://two.example/services/x", b'{"text": "Hi"}', {}).status == 200


@pytest.mark.timeout(30)
def test_a_resolver_that_hangs_does_not_outlive_the_deadline(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [end.wait(60)])
    error = refused(opened(0.5), "http://slow.example/")
    end.set()
    assert (error.cause, error.outcome) == (Cause.CONNECTION, Outcome.TRANSIENT)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "sent_by_server", [b"", b"\x16\x03\x03\x3f\xff\x02\x00\x3f\xfb"], ids=["nothing", "byte by byte"]
)
def test_a_tls_handshake_that_trickles_does_not_outlive_the_deadline(opened: Opened, sent_by_server: bytes) -> None:
    stop = threading.Event()

    def talk(connected: socket.socket) -> None:
        connected.sendall(sent_by_server)
        while not stop.wait(0.05):
            try:
                connected.sendall(b"\x00" if sent_by_server else b"")
            except OSError:
                return

    with raw_server(talk) as url:
        error = refused(opened(0.5), url.replace("http:", "https:"))
        stop.set()
    assert (error.cause, error.outcome) == (Cause.CONNECTION, Outcome.TRANSIENT)


@pytest.mark.timeout(30)
def test_a_server_that_does_not_read_does_not_outlive_the_deadline(opened: Opened) -> None:
    stop = threading.Event()

    def talk(_: socket.socket) -> None:
        stop.wait(25)

    with raw_server(talk) as url:
        with pytest.raises(SendError) as caught:
            opened(0.5).post(url, b"x" * 50_000_000, {})
        stop.set()
    assert (caught.value.cause, caught.value.outcome) == (Cause.CONNECTION, Outcome.TRANSIENT)


@pytest.mark.timeout(30)
def test_a_body_that_trickles_ends_at_the_deadline_and_keeps_its_status(opened: Opened) -> None:
    stop = threading.Event()

    def trickle(connected: socket.socket) -> None:
        connected.sendall(b"HTTP/1.1 202 -\r\nContent-Length: 1000\r\n\r\n")
        while not stop.wait(0.05):
            try:
                connected.sendall(b"x")
            except OSError:
                return

    with raw_server(trickle) as url:
        assert opened(0.5).post(url, b"{}", {}).status == 202
        stop.set()


@pytest.mark.parametrize(
    "sent_by_server", [b"HTTP/1.1 101 -\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nabc", b"HTTP/1.1 100 -\r\n\r\n"]
)
def test_an_answer_that_is_none_leaves_the_outcome_unknown(opened: Opened, sent_by_server: bytes) -> None:
    with raw_server(lambda connected: connected.sendall(sent_by_server)) as url:
        error = refused(opened(5), url)
    assert (error.cause, error.uncertain) == (Cause.OUTCOME_UNKNOWN, True)


def test_no_encoding_is_asked_for(opened: Opened) -> None:
    with SlackFake() as slack:
        opened(5).post(slack.webhook("x"), b'{"text": "Hi"}', {"accept-encoding": "gzip"})
        assert slack.requests[0].headers["accept-encoding"] == "identity"


def test_what_is_not_http_leaves_the_outcome_unknown(opened: Opened) -> None:
    with raw_server(lambda connected: connected.sendall(b"SSH-2.0-nonsense\r\n\r\n")) as url:
        error = refused(opened(5), url)
    assert (error.cause, error.uncertain) == (Cause.OUTCOME_UNKNOWN, True)


def test_a_body_that_breaks_off_keeps_its_status(opened: Opened) -> None:
    with raw_server(lambda connected: connected.sendall(b"HTTP/1.1 500 -\r\nContent-Length: 9\r\n\r\nshort")) as url:
        assert opened(5).post(url, b"{}", {}).status == 500


def test_an_endless_body_is_cut(opened: Opened) -> None:
    flood = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000

    def talk(connected: socket.socket) -> None:
        try:
            connected.sendall(flood)
        except OSError:
            return

    with raw_server(talk) as url:
        http = opened(5)
        answer = http.post(url, b"{}", {})
        assert answer.status == 200
        assert 0 < len(answer.body) <= 65_536
        assert http.post(url, b"{}", {}).status == 200  # on a new connection


def test_a_chunked_body_is_read(opened: Opened) -> None:
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n5\r\n: 1} \r\n0\r\n\r\n'
    with raw_server(lambda connected: connected.sendall(chunked)) as url:
        assert opened(5).post(url, b"{}", {}).json() == {"a": 1}


def test_a_body_that_ends_with_the_connection_is_read(opened: Opened) -> None:
    with raw_server(lambda connected: connected.sendall(b"HTTP/1.0 200 OK\r\n\r\nok")) as url:
        assert opened(5).post(url, b"{}", {}) == Answer(200, {}, b"ok")


def test_an_interim_answer_is_not_the_answer(opened: Opened) -> None:
    sent_by_server = b"HTTP/1.1 100 Continue\r\nX-Not: this\r\n\r\nHTTP/1.1 201 -\r\nContent-Length: 2\r\n\r\n{}"
    with raw_server(lambda connected: connected.sendall(sent_by_server)) as url:
        assert opened(5).post(url, b"{}", {}) == Answer(201, {"content-length": "2"}, b"{}")


@pytest.mark.parametrize(
    "more", [b"HTTP/1.1 500 -\r\n", b"HTTP/1.1 500 -\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n"]
)
def test_a_connection_on_which_more_came_than_was_asked_for_is_not_used_again(opened: Opened, more: bytes) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    connections = []

    def talk(connected: socket.socket) -> None:
        connections.append(connected)
        connected.sendall(ok + more)
        connected.recv(65_536)

    with raw_server(talk) as url:
        http = opened(5)
        assert [http.post(url, b"{}", {}) for _ in range(2)] == [Answer(200, {"content-length": "2"}, b"ok")] * 2
        http.close()
    assert len(connections) == 2


def test_headers_without_end_leave_the_outcome_unknown(opened: Opened) -> None:
    def talk(connected: socket.socket) -> None:
        try:
            connected.sendall(b"HTTP/1.1 200 OK\r\n" + b"X-More: 1\r\n" * 100_000)
        except OSError:
            return

    with raw_server(talk) as url:
        error = refused(opened(5), url)
    assert (error.cause, error.uncertain) == (Cause.OUTCOME_UNKNOWN, True)


def test_a_redirect_is_not_followed(opened: Opened) -> None:
    with SlackFake() as slack:
        slack.answer(status=307, headers=(("Location", slack.webhook("other")),))
        assert post(opened(5), slack).status == 307
        assert slack.asked == 1


def test_a_certificate_nobody_vouches_for_is_refused_and_nothing_handed_over(opened: Opened) -> None:
    server, _ = tls_pair(trustme.CA())
    with SlackFake(tls=server) as slack:
        error = refused(opened(5), slack.webhook("x"))
        assert (error.cause, error.outcome) == (Cause.CONNECTION, Outcome.TRANSIENT)
        assert slack.requests == []


def test_tls_with_a_trusted_certificate(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    server, trusted = tls_pair(trustme.CA())
    monkeypatch.setenv("SSL_CERT_FILE", trusted)
    with SlackFake(tls=server) as slack:
        http = opened(5)
        assert [post(http, slack).status for _ in range(3)] == [200, 200, 200]
        assert slack.connections == 1


def test_a_name_that_does_not_resolve_is_transient(opened: Opened) -> None:
    error = refused(opened(5), "http://no-such-host.invalid/")
    assert (error.cause, error.outcome) == (Cause.CONNECTION, Outcome.TRANSIENT)


def test_a_line_break_cannot_become_a_header(opened: Opened) -> None:
    url, fine = "http://127.0.0.1:1/", {"Authorization": "Bearer x"}
    for end in ("\r\nX-Evil: 1", "\nX-Evil: 1", "\rX-Evil: 1"):
        for path, headers, traceparent in (
            ("", fine | {"X": f"1{end}"}, ""),
            ("", fine | {f"X{end}": "1"}, ""),
            (f"x{end}", fine, ""),
            ("", fine, f"00{end}"),
        ):
            with pytest.raises(ValueError, match="line break"):
                opened(5).post(url + path, b"", headers, traceparent)
