"""A platform under a fault: what was accepted there, what its providers took, and whether the two balance."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import psycopg2
from confluent_kafka.admin import AdminClient, NewTopic

from harness.platform import Platform
from harness.platform.migrated import copy_migrated
from harness.platform.providers import CHANNELS, Providers
from harness.platform.web import Answer
from harness.services.postgres import ROLE
from harness.services.process import ROOT, Process
from harness.services.topics import Settings, reach
from harness.services.waiting import wait_until
from tests.faults.balance import Result, balance

LEASE = 6
SEND_TIMEOUT = 2
THREADS = 8
# Connections of this database alone that wait for a lock: other tests have theirs on the same server.
BLOCKED = "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
PENDING = ("accepted", "queued", "sending", "waiting")
TOPICS = [f"{channel.lower()}{twin}" for channel in CHANNELS for twin in ("", ".bulk")] + ["dlq"]
ENVIRONMENT = {
    "LEASE_SECONDS": str(LEASE),
    "SEND_TIMEOUT_SECONDS": str(SEND_TIMEOUT),
    "SENDER_THREADS": str(THREADS),
    "RETRY_SCHEDULE": "1,1,1,1,1",
}


class Site:
    """`accepted` maps the id of everything answered 202 to its text, of which each notification has its own."""

    def __init__(self, platform: Platform, providers: Providers, record: Callable[[str, object], None]) -> None:
        self.platform = platform
        self.providers = providers
        self.accepted: dict[str, str] = {}
        self._record = record
        self._number = 0
        self._struck_at: float | None = None
        self._recovered: float | None = None

    def items(self, count: int, channel: str = "", **fields: str) -> list[dict[str, str]]:
        """New notifications, of every channel unless one is given, to receivers of their own unless one is given."""
        return [self._item(channel, fields) for _ in range(count)]

    def _item(self, channel: str, fields: dict[str, str]) -> dict[str, str]:
        self._number += 1
        kind = channel or CHANNELS[self._number % len(CHANNELS)]
        to = {} if "user" in fields else {"receiver": self.providers.receiver(kind, self._number)}
        return {"type": kind, "message": f"{kind} number {self._number}"} | to | fields

    def send(self, count: int, channel: str = "", **fields: str) -> list[str]:
        """Have notifications accepted, in one batch; their ids."""
        items = self.items(count, channel, **fields)
        answer = self.post_batch(items)
        assert answer.status == 202, answer.body
        ids = [str(UUID(entry["id"])) for entry in answer.json()["notifications"]]
        self.accepted |= {id: item["message"] for id, item in zip(ids, items, strict=True)}
        return ids

    def post_batch(self, items: list[dict[str, str]]) -> Answer:
        return self.platform.post({"notifications": items}, "/notifications")

    @property
    def kafka(self) -> Settings:
        """How to reach the broker as the site's processes do."""
        return reach(self.platform.environment["KAFKA_BOOTSTRAP_SERVERS"])

    def took(self) -> int:
        """How many messages the providers took."""
        return len(self.providers.accepted)

    def wait_until_took(self, count: int, deadline: float = 60) -> None:
        wait_until(lambda: self.took() >= count, deadline=deadline, what=f"the providers took {count}")

    def struck(self) -> None:
        """The fault is over from now on: recovery is measured from here."""
        self._struck_at = time.monotonic()

    def wait_until_settled(self, deadline: float = 120) -> None:
        """Until everything accepted has reached an end."""

        def settled() -> bool:
            statuses = self.platform.statuses()
            return not any(statuses[status] for status in PENDING) and statuses.total() >= len(self.accepted)

        wait_until(settled, deadline=deadline, what="all is settled")
        if self._struck_at is not None:
            self._recovered = time.monotonic() - self._struck_at

    def balance(self, *, duplicates: int = 0, maybe: int = 0, embedded: bool = False) -> Result:
        """Nothing lost, at most so many duplicates, each marked; `maybe` rows may be there without a promise.

        AssertionError where it does not balance, by our own books or by `manage.py balance`.
        """
        took = _sandbox(self.platform) if embedded else self.providers.texts()
        result = balance(self.platform, self.accepted, took, duplicates=duplicates, maybe=maybe)
        self.note(result)
        _manage_balance(self.platform)
        return result

    def note(self, result: Result) -> None:
        """For the table of docs/reliability.md."""
        recovery = self._recovered if self._recovered is None else round(self._recovered, 1)
        self._record("balance", [result.messages, result.lost, result.duplicated, recovery])

    # Short ways to look inside.

    def ids(self, where: str) -> set[str]:
        """Ids of the ledger's rows."""
        return {row["id"] for row in self.platform.sql(f"SELECT id FROM notifications_notification WHERE {where}")}

    def attempts(self, cause: str) -> set[str]:
        found = self.platform.sql(f"SELECT notification_id AS id FROM notifications_attempt WHERE cause = '{cause}'")
        return {row["id"] for row in found}

    def hold(self, category: str) -> None:
        """From the next start of a sender on, a person decides about unknown outcomes of this category."""
        self.add_category(category, on_uncertain="hold")

    def digest(self, category: str, seconds: int) -> None:
        """From the next second on the notifications of this category are folded into digests of so many seconds."""
        self.add_category(category, digest_seconds=seconds)

    def cap(self, category: str, count: int, seconds: int) -> None:
        """From the next second on nobody gets more of this category in any window of so many seconds."""
        self.add_category(category, cap_count=count, cap_seconds=seconds)

    def add_category(self, name: str, **columns: str | int) -> None:
        """From the next second on there is such a category, with the usual rules but for what is given."""
        given = {"name": name, "on_uncertain": "resend"} | columns
        values = ", ".join(f"'{value}'" for value in given.values())
        self.platform.sql(
            f"INSERT INTO notifications_category ({', '.join(given)}, sensitive) VALUES ({values}, false)"
        )

    def wait_until_database_is_idle(self) -> None:
        """What a killed process had asked the database for is done or undone."""
        wait_until(lambda: not self._backends("state = 'active'"), what="no statement runs")

    def pause(self, process: Process) -> None:
        """SIGSTOP between two transactions: stopped inside one, its rows stay locked until the server ends it."""

        def paused() -> bool:
            process.pause()
            self.wait_until_database_is_idle()
            if inside := self._backends("state <> 'idle'"):
                process.resume()
            return not inside

        wait_until(paused, what="the process stopped between two transactions")

    def _backends(self, where: str) -> list[dict[str, object]]:
        others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        return self.platform.sql(f"{others} AND {where}")


def wait_until_sending(sender: Process) -> None:
    """A sender says so once its settings and channels are fine; what it reads it reads from then on."""
    wait_until(lambda: "sending " in sender.output or not sender.running, deadline=60, what="the sender sends")
    assert sender.running, sender.output[-4000:]


@contextmanager
def locked(site: Site, statement: str) -> Iterator[None]:
    """Somebody else's transaction that has run `statement` and does not end."""
    with closing(psycopg2.connect(site.platform.database_url)) as connection:
        connection.cursor().execute(statement)
        yield


def wait_until_blocked(site: Site, statement: str) -> None:
    """Until a statement like this waits for a lock."""
    waiting = f"SELECT 1 {BLOCKED} AND query LIKE '%{statement}%'"
    wait_until(lambda: site.platform.sql(waiting), what=f"{statement} waits for a lock")


@contextmanager
def open_site(
    directory: Path,
    providers: Providers,
    record: Callable[[str, object], None],
    *,
    postgres_port: int,
    kafka_servers: str = "",
    database_port: int = 0,
) -> Iterator[Site]:
    """A migrated platform with topics; its processes reach the database by `database_port`, such as a proxy's.

    Without `kafka_servers` the ledger is the queue.
    """
    name = f"fault_{uuid4().hex[:12]}"
    key = copy_migrated(postgres_port, name)
    prefix = f"{name}."
    platform = Platform.on(directory, _url(postgres_port, name), kafka_servers, topic_prefix=prefix)
    platform.environment |= ENVIRONMENT | providers.environment
    if database_port:
        platform.environment["DATABASE_URL"] = _url(database_port, name)
    if not kafka_servers:
        del platform.environment["KAFKA_BOOTSTRAP_SERVERS"]
    else:
        create_topics(kafka_servers, prefix)
    platform._key = key
    with platform:
        yield Site(platform, providers, record)


def create_topics(servers: str, prefix: str, partitions: int = 4) -> None:
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    made = admin.create_topics([NewTopic(f"{prefix}{topic}", partitions, 1) for topic in TOPICS])
    for topic in made.values():
        topic.result(30)


def _url(port: int, database: str) -> str:
    return f"postgres://{ROLE}:{ROLE}@127.0.0.1:{port}/{database}"


def _sandbox(platform: Platform) -> Counter[str]:
    return Counter(row["message"] for row in platform.sql("SELECT message FROM notifications_sandboxmessage"))


def _manage_balance(platform: Platform) -> None:
    command = [sys.executable, "manage.py", "balance"]
    done = subprocess.run(
        command, env=platform.environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
