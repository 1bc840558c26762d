from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from harness.services.proxy import Proxy
from harness.services.waiting import wait_until


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    """In front of a server that answers each request with itself in capitals."""
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(server,), daemon=True).start()
    with Proxy(server.getsockname()[1]) as proxy:
        yield proxy
    server.close()


def test_it_forwards(proxy: Proxy) -> None:
    assert _ask(proxy, b"hello") == b"HELLO"


def test_dropped_connections_end_and_new_ones_work(proxy: Proxy) -> None:
    with _connect(proxy) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"
        proxy.drop()
        assert client.recv(100) == b""
    assert _ask(proxy, b"again") == b"AGAIN"


def test_refused_until_resumed(proxy: Proxy) -> None:
    proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)
    proxy.resume()
    assert _ask(proxy, b"hello") == b"HELLO"


def test_held_answers_come_after_resume(proxy: Proxy) -> None:
    proxy.hold_answers()
    with _connect(proxy) as client:
        client.sendall(b"hello")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        proxy.resume()
        client.settimeout(10)
        assert client.recv(100) == b"HELLO"


def test_one_answer_is_lost(proxy: Proxy) -> None:
    proxy.lose_answer_to(b"COMMIT")
    assert _ask(proxy, b"hello") == b"HELLO"
    assert _ask(proxy, b"COMMIT") == b""
    wait_until(lambda: proxy.answers_lost == 1, what="the proxy counted it")
    assert _ask(proxy, b"COMMIT") == b"COMMIT"


def test_the_answer_is_lost_on_the_connection_that_said_something_before(proxy: Proxy) -> None:
    proxy.lose_answer_to(b"COMMIT", after=b"INSERT")
    with _connect(proxy) as other, _connect(proxy) as client:
        other.sendall(b"COMMIT")
        assert other.recv(100) == b"COMMIT"
        client.sendall(b"INSERT")
        assert client.recv(100) == b"INSERT"
        other.sendall(b"COMMIT")
        assert other.recv(100) == b"COMMIT"
        client.sendall(b"COMMIT")
        assert client.recv(100) == b""


def _connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10)


def _ask(proxy: Proxy, request: bytes) -> bytes:
    with _connect(proxy) as client:
        client.sendall(request)
        return client.recv(100)


def _serve(server: socket.socket) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(client,), daemon=True).start()


def _answer(client: socket.socket) -> None:
    with client:
        while data := client.recv(100):
            client.sendall(data.upper())
