"""The raw loop: threads that make the same provider calls and do nothing else.

`python -m benchmarks.with_django loop SMS 8000 --in-flight 64` calls the `send` of the channel's provider.
"""

from __future__ import annotations

import argparse
import threading
from collections import deque
from collections.abc import Callable
from uuid import UUID

import msgspec

from benchmarks.traffic import receiver_of, text_of
from notifications.channels import configured_providers


class Item(msgspec.Struct):
    """What a channel reads of a notification."""

    id: UUID
    receiver: str
    subject: str
    message: str
    html: str = ""


def items(channel: str, count: int, url: str) -> deque[Item]:
    """All that is to be sent, made beforehand."""
    numbers = range(count)
    return deque(Item(UUID(int=number), receiver_of(channel, number, url), "", text_of(number)) for number in numbers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("channel")
    parser.add_argument("count", type=int)
    parser.add_argument("--url", default="")
    parser.add_argument("--in-flight", type=int, default=64)
    given = parser.parse_args()
    send = configured_providers(given.channel)[0].send
    run(items(given.channel, given.count, given.url), send, given.in_flight)


def run(waiting: deque[Item], send: Callable[[Item], object], threads: int) -> None:
    def work() -> None:
        while True:
            try:
                item = waiting.popleft()
            except IndexError:
                return
            send(item)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
