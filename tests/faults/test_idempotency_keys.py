"""Idempotency keys: committed, and then something dies before anybody is answered."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from harness.platform.web import Answer
from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from harness.services.proxy import Proxy
from harness.services.shared import SharedKafka, SharedPostgres
from harness.services.topics import direct, ends
from harness.services.waiting import wait_until
from tests.faults.conftest import Opener
from tests.faults.site import Site, locked, wait_until_blocked

COUNT = 12
Item = dict[str, str]


def post(site: Site, items: Sequence[Item]) -> list[Answer]:
    """Posts all at once, each with a key of its own, its text. Returns the answers, or raises the first failure."""
    with ThreadPoolExecutor(len(items)) as callers:
        return list(callers.map(lambda item: site.platform.post(item, key=item["message"]), items))


def accepted(site: Site, items: Sequence[Item], answers: Sequence[Answer]) -> set[str]:
    """Notes what was accepted, which must be all of it. Returns the ids."""
    assert {answer.status for answer in answers} == {202}, [answer.body for answer in answers]
    ids = [str(UUID(answer.json()["id"])) for answer in answers]
    site.accepted |= {id: item["message"] for id, item in zip(ids, items, strict=True)}
    return set(ids)


def keys(site: Site) -> set[str]:
    return {
        str(row["id"]) for row in site.platform.sql("SELECT notification_id AS id FROM notifications_idempotencykey")
    }


@pytest.mark.fault(30)
@pytest.mark.xdist_group("own-postgres")
def test_a_database_that_stops_while_keys_are_inserted_refuses_all_and_promises_nothing(
    open_with: Opener, own_postgres: Postgres, kafka: SharedKafka
) -> None:
    site = open_with(postgres_port=own_postgres.port, kafka_servers=kafka.servers)
    site.platform.start_web()
    items = site.items(COUNT)
    with ThreadPoolExecutor(1) as background:
        with locked(site, "LOCK TABLE notifications_idempotencykey IN EXCLUSIVE MODE"):
            posted = background.submit(post, site, items)
            wait_until_blocked(site, "notifications_idempotencykey")
            own_postgres.stop(immediate=True)
        answers = posted.result(60)
    assert {(answer.status, answer.headers.get("retry-after")) for answer in answers} == {(503, "5")}
    own_postgres.start()
    site.struck()
    assert keys(site) == set()
    ids = accepted(site, items, post(site, items))
    assert keys(site) == ids == accepted(site, items, post(site, items))
    assert len(ids) == COUNT
    site.platform.start_sender()
    site.wait_until_settled()
    site.balance()


@pytest.mark.fault(31)
def test_a_group_whose_answer_is_lost_is_accepted_with_its_ids(proxied_site: Site, database_proxy: Proxy) -> None:
    site = proxied_site
    prefix = site.platform.environment["TOPIC_PREFIX"]
    site.platform.start_web()
    items = site.items(COUNT)
    ids = accepted(site, items, post(site, items))
    database_proxy.lose_answer_to(b"/* insert_keys */")
    items = site.items(COUNT)
    ids |= accepted(site, items, post(site, items))
    site.struck()
    assert database_proxy.answers_lost == 1
    assert keys(site) == ids
    assert sum(sum(ends(site.kafka, f"{prefix}{name}")) for name in ("email", "slack", "sms")) == len(ids) == 2 * COUNT
    site.platform.start_sender()
    site.wait_until_settled()
    site.balance()


@pytest.mark.fault(32)
@pytest.mark.xdist_group("own-kafka")
def test_what_a_killed_web_process_did_not_publish_is_published_by_the_repetition(
    open_with: Opener, postgres: SharedPostgres, own_kafka: Kafka
) -> None:
    site = open_with(postgres_port=postgres.port, kafka_servers=own_kafka.servers)
    topic = f"{site.platform.environment['TOPIC_PREFIX']}sms"
    web = site.platform.start_web()
    site.send(1, "SMS")  # connects the producer
    assert own_kafka.proxy
    own_kafka.proxy.hang()
    items = site.items(COUNT, "SMS")
    with ThreadPoolExecutor(COUNT) as callers:
        asked = [callers.submit(site.platform.post, item, key=item["message"]) for item in items]
        wait_until(lambda: len(keys(site)) == COUNT, what="all keys are committed")
        web.kill()
    assert all(one.exception() for one in asked), "nobody was answered"
    own_kafka.proxy.drop()
    own_kafka.proxy.resume()
    site.struck()
    assert sum(ends(direct(own_kafka), topic)) == 1, "nothing of it was published"
    site.platform.start_web()
    assert accepted(site, items, post(site, items)) == keys(site)
    other = items[0] | {"message": "another body"}
    assert site.platform.post(other, key=items[0]["message"]).status == 409
    site.platform.start_sender("--channels", "SMS")
    site.wait_until_settled()
    site.balance()
