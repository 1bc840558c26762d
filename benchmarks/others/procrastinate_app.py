"""procrastinate, on asyncio: `… work 128` works, `… noop 10000` makes its tables and fills them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
from procrastinate import App, PsycopgConnector

from benchmarks.others import filling

CHUNK = 1_000
app = App(connector=PsycopgConnector(conninfo=os.environ["BENCH_STORE"], max_size=20))
sessions: list[aiohttp.ClientSession] = []  # the worker's one


def task(name: str, function: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """`app.task`, whose types the linter does not have. `name`: it is the same where this module is `__main__`."""
    return app.task(function, name=name)


async def do_nothing(**_message: str) -> None:
    """A provider that answers at once."""


async def call(*, receiver: str, message: str, **_rest: str) -> None:
    """Posts as Slack's webhooks want it. Raises AssertionError for every answer but a 200."""
    async with sessions[0].post(receiver, json={"text": message}) as answer:
        await answer.read()
        assert answer.status == 200


TASKS = {"noop": task("noop", do_nothing), "http": task("http", call)}


async def work(concurrency: int) -> None:
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with app.open_async(), aiohttp.ClientSession(connector=connector) as session:
        sessions.append(session)
        await app.run_worker_async(concurrency=concurrency)


async def fill() -> None:
    name, messages = filling.given()
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for start in range(0, len(messages), CHUNK):
            await TASKS[name].batch_defer_async(*messages[start : start + CHUNK])


if __name__ == "__main__":
    asyncio.run(work(int(sys.argv[2])) if sys.argv[1] == "work" else fill())
