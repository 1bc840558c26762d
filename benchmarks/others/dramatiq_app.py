"""dramatiq: `dramatiq benchmarks.others.dramatiq_app --processes 2 --threads 128` works, `python -m …` fills.

Its middlewares are those it comes with: retries, time limits, age limits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.others import filling
from benchmarks.others.webhook import post

dramatiq.set_broker(RedisBroker(url=os.environ["BENCH_STORE"]))


def actor(name: str, function: Callable[..., None]) -> Any:
    """`dramatiq.actor`, whose types the linter does not have."""
    return dramatiq.actor(function, actor_name=name)


def do_nothing(**_message: str) -> None:
    """A provider that answers at once."""


def call(*, receiver: str, message: str, **_rest: str) -> None:
    post(receiver, message)


ACTORS = {"noop": actor("noop", do_nothing), "http": actor("http", call)}

if __name__ == "__main__":
    name, messages = filling.given()
    for message in messages:
        ACTORS[name].send(**message)
