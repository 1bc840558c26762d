"""A rolling update in the order of docs/kubernetes.md, under load: nobody who calls, and nothing accepted, notices."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from harness.services.kafka import PASSWORD
from harness.services.nginx import NGINX, Nginx
from harness.services.shared import SharedKafka, skip_without
from harness.services.waiting import wait_until
from tests.faults.pods import HOST, Pods, make_users
from tests.faults.site import Site

SENDERS = ("sender-email", "sender-slack", "sender-sms")
CALLERS = 2


class Callers:
    """Post one notification after the other to the web of the Service; `refused` has every answer but 202."""

    def __init__(self, site: Site) -> None:
        self.service: Nginx | None = None
        self.refused: list[object] = []
        self._site = site
        self._lock = threading.Lock()
        self._headers = {"Host": HOST, "Content_Type": "application/json", "X_Forwarded_Proto": "https"}
        self._headers |= site.platform._authorization()

    def post(self) -> None:
        item, front = self._item(), self.service
        assert front
        try:
            status, body, _ = front.ask("POST", "/notification", json.dumps(item).encode(), **self._headers)
        except OSError as error:
            self.refused.append(error)
            return
        self.note(item, status, body)

    def _item(self) -> dict[str, str]:
        with self._lock:
            (item,) = self._site.items(1)
        return item

    def note(self, item: dict[str, str], status: int, body: bytes) -> None:
        if status == 202:
            self._site.accepted[str(UUID(json.loads(body)["id"]))] = item["message"]
        else:
            self.refused.append((status, body))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        stop = threading.Event()

        def go_on() -> None:
            while not stop.wait(0.05):
                self.post()

        threads = [threading.Thread(target=go_on, daemon=True) for _ in range(CALLERS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join()

    @contextmanager
    def slow_one(self) -> Iterator[None]:
        """Has sent half of a request to the present web, and sends the rest once its nginx was asked to end."""
        item, front = self._item(), self.service
        assert front
        body = json.dumps(item).encode()
        names = {name.replace("_", "-"): value for name, value in self._headers.items()}
        head = "".join(
            f"{name}: {value}\r\n"
            for name, value in (names | {"Content-Length": str(len(body)), "Connection": "close"}).items()
        )
        with front.connect() as connection:
            connection.sendall(f"POST /notification HTTP/1.1\r\n{head}\r\n".encode() + body[:20])
            finisher = threading.Thread(target=self._finish, args=(connection, front, item, body[20:]), daemon=True)
            finisher.start()
            yield
            finisher.join()

    def _finish(self, connection: ssl.SSLSocket, front: Nginx, item: dict[str, str], rest: bytes) -> None:
        wait_until(lambda: not front.takes_callers(), deadline=60, what="nginx takes nobody else")
        connection.sendall(rest)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        self.note(item, int(head.split()[1]), body)


@pytest.mark.timeout(600)  # it starts thirty processes
@pytest.mark.fault(38)
def test_a_rolling_update_drops_nothing(site: Site, kafka: SharedKafka) -> None:
    skip_without(None if NGINX else "nginx")
    site.platform.environment["HASH_KEY"] = "hash-for-tests-only-" * 3
    make_users(kafka, site.platform.environment["TOPIC_PREFIX"])
    pods, callers = Pods(site, kafka), Callers(site)
    *old_workers, old_web = pods.start(*SENDERS, "scheduler", "web")
    callers.service = old_web.nginx
    with callers.at_work():
        wait_until(lambda: site.took() > 20, what="the old ones are at work")
        for job in ("migrate", "topics"):
            pods.run(job)
        pods.start(*SENDERS, "scheduler")
        pods.stop(old_workers)
        (new_web,) = pods.start("web")
        with callers.slow_one():
            callers.service = new_web.nginx
            pods.stop([old_web])
        enough = len(site.accepted) + 20
        wait_until(lambda: len(site.accepted) > enough, what="the new ones are at work")
    site.wait_until_settled()
    assert callers.refused == []
    assert site.platform.statuses() == {"sent": len(site.accepted)}
    assert site.ids("uncertain_count > 0") == set()
    site.balance()
    assert keda_sees_the_group(kafka, f"{site.platform.environment['TOPIC_PREFIX']}email.senders")


def keda_sees_the_group(kafka: SharedKafka, group: str) -> bool:
    """Whether the user kafka-keda may read how far the senders are."""
    reached = kafka.sasl_environment
    admin = AdminClient(
        {
            "bootstrap.servers": reached["KAFKA_BOOTSTRAP_SERVERS"],
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "kafka-keda",
            "sasl.password": PASSWORD,
            "ssl.ca.location": reached["KAFKA_CA_FILE"],
        }
    )
    found = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(30)
    return any(place.offset > 0 for place in found.topic_partitions)
