"""The bare loop of threads: each makes the same provider calls over a blocking socket of its own, and nothing else.

`python -m benchmarks.with_django loop SMS 8000 --url http://127.0.0.1:5000 --in-flight 64`.
"""

from __future__ import annotations

import socket
import threading
from urllib.parse import urlsplit

from benchmarks.calls import CONVERSATIONS, Conversation, arguments, items, taken_from


def main() -> None:
    given = arguments(__doc__)
    waiting, port = items(given.channel, given.count, given.url), urlsplit(given.url).port
    talks = [CONVERSATIONS[given.channel](taken_from(waiting)) for _ in range(given.in_flight)]
    threads = [threading.Thread(target=talk_to, args=(port, talk)) for talk in talks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def talk_to(port: int, conversation: Conversation) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for exchange in conversation:
            connection.sendall(exchange.data)
            answer = b""
            while not exchange.is_whole(answer):
                data = connection.recv(65_536)
                assert data, "the provider closed the connection"
                answer += data
