"""The other systems as benchmarks need them: fill, work, and how much is left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import ExitStack, closing
from typing import ClassVar, Self

import psycopg2

from benchmarks.others import environment
from benchmarks.services import Redis, Services
from harness.platform import Platform, Process

IN_FLIGHT = 256  # of all its processes together, as of our sender
PROCESSES = 2  # of those that work with one core each; River uses both with one


class Rival(ABC):
    """A system with its store and its workers, on a platform that is not started. Everything ends with the `with`."""

    name: ClassVar[str]
    conditions: ClassVar[str]

    def __init__(self, services: Services) -> None:
        self._stack = ExitStack()
        self.services = services
        self.site: Platform = services.fresh()
        self.site.environment["BENCH_THREADS"] = str(IN_FLIGHT // PROCESSES)

    def __enter__(self) -> Self:
        self._stack.callback(self.services.drop, self.site)
        self.site.environment["BENCH_STORE"] = self.open_store(self._stack)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @abstractmethod
    def open_store(self, stack: ExitStack) -> str:
        """Returns the URL of its empty store, which is closed with the stack."""

    @property
    @abstractmethod
    def store_pid(self) -> int:
        """The process of the store."""

    @abstractmethod
    def fill(self, task: str, count: int) -> None:
        """Gives it so many tasks, `noop` or `http`."""

    @abstractmethod
    def work(self) -> list[Process]:
        """Starts its workers."""

    @abstractmethod
    def remaining(self) -> int:
        """How many tasks are not done, those under way included."""

    def python(self, *arguments: str) -> Process:
        """Starts a module in the environment of the other systems."""
        return self.site.start(self.name, [str(environment.python()), "-m", *arguments])

    def finish(self, process: Process) -> None:
        """Waits for its end. Raises AssertionError where it failed."""
        code = process.wait(600)
        assert code == 0, process.output[-4000:]


class OnRedis(Rival):
    """Redis writes each task to disk before it answers, as PostgreSQL does."""

    def open_store(self, stack: ExitStack) -> str:
        self.redis = stack.enter_context(Redis(self.site.directory))
        return self.redis.url

    @property
    def store_pid(self) -> int:
        return self.redis.pid


class Celery(OnRedis):
    name: ClassVar = "Celery"
    conditions: ClassVar = (
        f"{PROCESSES} processes of {IN_FLIGHT // PROCESSES} threads, acks late, prefetch 16 a thread, results ignored,"
        " no gossip or heartbeat; Redis with appendfsync always; urllib3's pool"
    )

    def fill(self, task: str, count: int) -> None:
        self.finish(self.python("benchmarks.others.celery_app", task, str(count)))

    def work(self) -> list[Process]:
        quick = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
        pool = ["--pool", "threads", "--concurrency", str(IN_FLIGHT // PROCESSES)]
        app = ["celery", "-A", "benchmarks.others.celery_app", "worker"]
        return [self.python(*app, *pool, *quick, "--hostname", f"w{number}") for number in range(PROCESSES)]

    def remaining(self) -> int:
        return self.redis.count("llen", "celery") + self.redis.count("hlen", "unacked")


class Dramatiq(OnRedis):
    name: ClassVar = "dramatiq"
    conditions: ClassVar = (
        f"{PROCESSES} processes of {IN_FLIGHT // PROCESSES} threads, its own middlewares; Redis with appendfsync"
        " always; urllib3's pool"
    )

    def fill(self, task: str, count: int) -> None:
        self.finish(self.python("benchmarks.others.dramatiq_app", task, str(count)))

    def work(self) -> list[Process]:
        many = ["--processes", str(PROCESSES), "--threads", str(IN_FLIGHT // PROCESSES)]
        return [self.python("dramatiq", "benchmarks.others.dramatiq_app", *many)]

    def remaining(self) -> int:
        return self.redis.count("hlen", "dramatiq:default.msgs")


class OnPostgres(Rival):
    """In a database of the server that our ledger has."""

    done: ClassVar[str]  # an SQL statement that counts

    def open_store(self, stack: ExitStack) -> str:
        return self.site.database_url

    @property
    def store_pid(self) -> int:
        return self.services.postgres.pid

    def remaining(self) -> int:
        """Counts in the table of tasks, which costs the store a part of what it uses."""
        with closing(psycopg2.connect(self.site.database_url)) as connection, connection.cursor() as cursor:
            cursor.execute(self.done)
            return int(cursor.fetchone()[0])


class Procrastinate(OnPostgres):
    name: ClassVar = "procrastinate"
    conditions: ClassVar = (
        f"{PROCESSES} processes of asyncio with a concurrency of {IN_FLIGHT // PROCESSES}, LISTEN and NOTIFY, tasks"
        " kept; PostgreSQL as ours; aiohttp"
    )
    done: ClassVar = "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"

    def fill(self, task: str, count: int) -> None:
        self.finish(self.python("benchmarks.others.procrastinate_app", task, str(count)))

    def work(self) -> list[Process]:
        each = str(IN_FLIGHT // PROCESSES)
        return [self.python("benchmarks.others.procrastinate_app", "work", each) for _ in range(PROCESSES)]


class River(OnPostgres):
    name: ClassVar = "River"
    conditions: ClassVar = (
        f"one process of Go with {IN_FLIGHT} workers, fetch cool-down 2 ms, poll interval 20 ms, jobs kept; PostgreSQL"
        " as ours; net/http"
    )
    done: ClassVar = "SELECT count(*) FROM river_job WHERE state <> 'completed'"

    def fill(self, task: str, count: int) -> None:
        self.finish(self._start(task, count))

    def work(self) -> list[Process]:
        return [self._start("work", IN_FLIGHT)]

    def _start(self, verb: str, number: int) -> Process:
        return self.site.start(self.name, [str(environment.river()), verb, str(number)])


RIVALS: tuple[type[Rival], ...] = (Celery, Dramatiq, Procrastinate, River)
