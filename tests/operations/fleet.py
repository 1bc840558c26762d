"""A site under steady traffic, with the processes that the manifests run, and what became of what it accepted."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Self

from harness.platform.providers import open_providers
from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from harness.services.process import Process
from harness.services.waiting import wait_until
from tests.faults.site import Site, open_site

EVERY = 0.05  # seconds between two notifications: 20 a second
LEAVES = 2.0  # seconds in which a load balancer learns that a web leaves, before it is asked to end


@dataclass
class Services:
    """What an operation needs: a site of its own on services of its own."""

    directory: Path
    postgres: Postgres
    kafka: Kafka

    @contextmanager
    def site(self) -> Iterator[Site]:
        """Opens a site with a database, topics and providers of its own."""
        directory, port = Path(tempfile.mkdtemp(dir=self.directory)), self.postgres.port
        with (
            open_providers() as providers,
            open_site(directory, providers, _nothing, postgres_port=port, kafka_servers=self.kafka.servers) as site,
        ):
            for fake in (providers.smtp, providers.slack, providers.twilio):
                fake.answer(delay=0.02)
            site.platform.environment |= {"LEASE_SECONDS": "60", "SEND_TIMEOUT_SECONDS": "20"}
            yield site


def _nothing(*_: object) -> None:
    """Nobody records these figures but the table that is printed."""


class Traffic(threading.Thread):
    """Posts one notification after the other through the webs in turn, as a load balancer would; notes each answer."""

    def __init__(self, site: Site) -> None:
        super().__init__(daemon=True)
        self.answers: Counter[str] = Counter()
        self.slowest = 0.0
        self._site = site
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        place = 0
        while not self._ended.wait(EVERY):
            place += 1
            ports = list(self._site.platform.ports)
            if ports:
                self._post(ports[place % len(ports)])

    def _post(self, port: int) -> None:
        (item,) = self._site.items(1)
        began = time.monotonic()
        try:
            answer = self._site.platform.post(item, port=port)
        except (OSError, HTTPException):
            self.answers["no answer"] += 1
            return
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.answers[str(answer.status)] += 1
        if answer.status == 202:
            self._site.accepted[answer.json()["id"]] = item["message"]

    def in_words(self) -> str:
        answers = ", ".join(f"{count:,} × {status}" for status, count in sorted(self.answers.items()))
        return f"{answers}, the slowest answer after {self.slowest:.2f} s"


@dataclass
class Fleet:
    """The processes of a site, as the manifests run them: two webs, two senders, a scheduler."""

    site: Site
    webs: list[Process] = field(default_factory=list)
    senders: list[Process] = field(default_factory=list)
    schedulers: list[Process] = field(default_factory=list)

    def start(self) -> None:
        for _ in range(2):
            self.webs.append(self.site.platform.start_web())
            self.senders.append(self.site.platform.start_sender("--no-scheduler"))
        self.schedulers.append(self.site.platform.start_scheduler())
        for process in (*self.senders, *self.schedulers):
            _wait_until_started(process)

    def replace_all(self) -> str:
        """Replaces each process by a new one, one after the other. Returns how long they took to end."""
        drains = [
            *(self._replace(self.schedulers, self.site.platform.start_scheduler) for _ in self.schedulers[:]),
            *(
                self._replace(self.senders, lambda: self.site.platform.start_sender("--no-scheduler"))
                for _ in self.senders[:]
            ),
            *(self._replace_web() for _ in self.webs[:]),
        ]
        return f"processes ended within {max(drains):.1f} s of SIGTERM"

    def _replace(self, processes: list[Process], start: Callable[[], Process]) -> float:
        processes.append(start())
        _wait_until_started(processes[-1])
        return _end(processes.pop(0))

    def _replace_web(self) -> float:
        self.webs.append(self.site.platform.start_web())
        self.site.platform.ports.pop(0)
        time.sleep(LEAVES)
        return _end(self.webs.pop(0))


def _wait_until_started(process: Process) -> None:
    """Before its first line a process knows nothing of SIGTERM, which ends it as it ends any other program."""
    wait_until(lambda: bool(process.output), deadline=60, what=f"{process.name} has started")


def _end(process: Process) -> float:
    began = time.monotonic()
    code = process.stop(60)
    assert code == 0, f"{process.name} ended with {code}:\n{process.output[-2000:]}"
    return time.monotonic() - began


def delivered(site: Site) -> str:
    """Waits for all, does the books. Returns what became of the notifications."""
    site.wait_until_settled(240)
    result = site.balance(duplicates=10**6)
    (row,) = site.platform.sql(
        "SELECT max(extract(epoch FROM settled_at - accepted_at)) AS slowest,"
        " sum(uncertain_count) AS uncertain FROM notifications_notification"
    )
    return (
        f"{result.messages:,} accepted, {result.lost} lost, {result.duplicated} sent twice, "
        f"{row['uncertain']} uncertain, the slowest sent after {float(str(row['slowest'])):.1f} s; the books balance"
    )
