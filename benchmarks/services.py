"""The parts a benchmark runs on: a private PostgreSQL, Kafka and Redis, and a fresh platform for each measurement."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import Self

import redis
from confluent_kafka.admin import AdminClient

from benchmarks.cpu import Pids
from harness.ledger_rows import insert
from harness.platform import Platform, Process, wait_until
from harness.services import postgres
from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from harness.services.process import free_ports

PARTITIONS = 8
KNOWN_ROWS = 10_000  # in the ledger of every measurement: production's is never empty
TEMPLATE = "bench_template"


class Services:
    """`fresh` platforms on shared services. What runs is killed at the end of the `with`."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="ntf-bench-"))
        # The tests' server need not survive a power cut; this one must, as production's.
        # Its buffers are what a server with millions of rows is given, not the 128 MB of a fresh installation.
        postgres.SPEED.update(fsync="on", full_page_writes="on", max_wal_size="4GB", shared_buffers="2GB")
        self.postgres = Postgres()
        self.kafka = Kafka(short_lived=False)
        self._numbers = itertools.count(1)
        self._sites: dict[str, Platform] = {}  # by the name of their database

    def __enter__(self) -> Self:
        self.postgres.start()
        self.kafka.start()
        self._make_template()
        return self

    def __exit__(self, *_: object) -> None:
        self.kafka.close()
        self.postgres.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def fresh(self, **environment: str) -> Platform:
        """A platform with a database and topics of its own, and production's settings but for `environment`."""
        name = f"bench_{next(self._numbers)}"
        self.postgres.execute(f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE} OWNER {postgres.ROLE}')
        site = self._platform(name)
        site.environment |= environment
        site.manage("create_topics", "--partitions", str(PARTITIONS), "--replication-factor", "1")
        self._sites[name] = site
        return site

    @property
    def pids(self) -> Pids:
        """The processes whose CPU is measured, by part."""
        return {"Kafka": self.kafka.pid, "PostgreSQL": self.postgres.pid}

    def drop(self, site: Platform) -> None:
        """Kill what runs of it and remove its database and topics: the next measurement is not to carry them."""
        site.kill_all()
        name = next(name for name, each in self._sites.items() if each is site)
        del self._sites[name]
        self.postgres.drop_database(name)
        admin = AdminClient({"bootstrap.servers": self.kafka.servers, "log_level": 3})
        topics = [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(f"{name}.")]
        for done in admin.delete_topics(topics).values():
            done.result()

    def drop_all(self) -> None:
        """What a benchmark that failed left behind."""
        for site in list(self._sites.values()):
            self.drop(site)

    def directory_of(self, name: str) -> Path:
        found = self.directory / name
        found.mkdir()
        return found

    def _make_template(self) -> None:
        self.postgres.create_database(TEMPLATE)
        site = self._platform(TEMPLATE)
        site.manage("migrate", "--verbosity", "0")
        insert(site, KNOWN_ROWS)
        _do_daily_jobs(site)

    def _platform(self, name: str) -> Platform:
        url = self.postgres.url(name)
        site = Platform.on(self.directory_of(name), url, self.kafka.servers, topic_prefix=f"{name}.")
        del site.environment["RETRY_SCHEDULE"]  # the tests' own, of seconds
        site.environment["DJANGO_SETTINGS_MODULE"] = "project.settings"
        return site


def _do_daily_jobs(site: Platform) -> None:
    """Has the jobs of this day done. On a new database all of them begin together, while something is measured."""
    site.manage("create_topics", "--partitions", "1", "--replication-factor", "1")
    scheduler = site.start_scheduler()
    wait_until(lambda: _all_are_done(site), deadline=120, what="the jobs of the day are done")
    scheduler.kill()


def _all_are_done(site: Platform) -> bool:
    states = [row["state"] for row in site.sql("SELECT state FROM notifications_job")]
    return bool(states) and all(state == "done" for state in states)


class Redis:
    """Debian's redis-server. It has what it takes on the disk before it answers, as PostgreSQL has."""

    def __init__(self, directory: Path) -> None:
        (self.port,) = free_ports(1)
        self._directory = directory
        self._process: Process | None = None

    @staticmethod
    def missing() -> bool:
        return shutil.which("redis-server") is None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        options = ["--port", str(self.port), "--dir", str(self._directory), *durable]
        self._process = Process("redis", ["redis-server", *options], log=self._directory / "redis.log")
        wait_until(self._answers, what="redis answers")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()

    def count(self, command: str, key: str) -> int:
        """Returns the answer of a command that counts, such as LLEN."""
        with redis.Redis.from_url(self.url) as client:
            return int(client.execute_command(command, key))

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
