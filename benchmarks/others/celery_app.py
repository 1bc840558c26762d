"""Celery: `celery -A benchmarks.others.celery_app worker -P threads -c 128` works, `python -m …` fills.

`python -m benchmarks.others.celery_app noop 10000`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from celery import Celery

from benchmarks.others import filling
from benchmarks.others.webhook import post

app = Celery("benchmarks", broker=os.environ["BENCH_STORE"])
app.conf.update(
    task_acks_late=True,  # as ours: a task whose worker dies runs again
    task_ignore_result=True,
    worker_prefetch_multiplier=16,  # short tasks: many at a time, as its guide to optimizing says
    broker_connection_retry_on_startup=True,
)


def task(name: str, function: Callable[..., None]) -> Any:
    """`app.task`, which has no types of its own. `name`: it is the same where this module is `__main__`."""
    return app.task(function, name=name)


def do_nothing(**_message: str) -> None:
    """A provider that answers at once."""


def call(*, receiver: str, message: str, **_rest: str) -> None:
    post(receiver, message)


TASKS = {"noop": task("noop", do_nothing), "http": task("http", call)}

if __name__ == "__main__":
    name, messages = filling.given()
    for message in messages:
        TASKS[name].delay(**message)
