"""What real processes tell a real Prometheus: sums that are the ledger's, and an answer to every question we ship."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from harness.platform import Platform
from harness.platform import prometheus as service
from harness.platform.prometheus import Prometheus
from harness.platform.providers import CHANNELS, Providers, open_providers
from harness.services.process import ROOT, free_ports
from harness.services.records import write_record
from harness.services.shared import SharedKafka, SharedPostgres
from harness.services.waiting import wait_until
from tests.e2e import expressions

SINGLE, BATCH = 8, 40  # notifications of each channel, one by one and at once
BROKEN, SHAKY = 0, 1  # receivers' numbers: refused for good, failing once


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, postgres: SharedPostgres, kafka: SharedKafka
) -> Iterator[tuple[Platform, Prometheus]]:
    """Two webs, a sender and a scheduler, scraped from before their first notification until after the last."""
    if missing := service.missing_program():
        if os.environ.get("CI") == "true":
            pytest.fail(f"needs {missing}, which CI must have")
        pytest.skip(f"needs {missing}")
    directory = tmp_path_factory.mktemp("watched")
    with Platform.on_services(directory, postgres, kafka) as platform, open_providers() as providers:
        platform.environment |= providers.environment
        platform.prepare()
        sender, scheduler = free_ports(2)
        platform.start_sender("--no-scheduler", "--metrics-port", str(sender))
        platform.start_scheduler("--metrics-port", str(scheduler))
        platform.start_web()
        platform.start_web()
        platform.create_api_key("send", client="other")
        platform.manage("pause", "client:other", "--reason", "a figure for it")
        with Prometheus([*platform.ports, sender, scheduler], platform.create_api_key("metrics")) as prometheus:
            put_under_load(platform, providers)
            yield platform, prometheus


def put_under_load(platform: Platform, providers: Providers) -> None:
    providers.smtp.answer(providers.receiver("EMAIL", BROKEN), reply="550 5.1.1 No such user")
    providers.twilio.answer(providers.receiver("SMS", SHAKY), status=500, code=20500, times=1)
    write_record(platform.environment["KAFKA_BOOTSTRAP_SERVERS"], f"{platform.environment['TOPIC_PREFIX']}email", b"{")
    for channel in CHANNELS:
        items = [
            {"type": channel, "receiver": providers.receiver(channel, number), "message": "Hello"}
            for number in range(BATCH)
        ]
        items[-1]["priority"] = "bulk"
        for number, item in enumerate(items[:SINGLE]):
            assert platform.post(item, port=platform.ports[number % 2]).status == 202
        assert platform.post({"notifications": items}, "/notifications").status == 202
    total = len(CHANNELS) * (SINGLE + BATCH)
    platform.wait_for(sent=total - 2, dead=2)


def test_the_sums_over_all_processes_are_those_of_the_ledger(watched: tuple[Platform, Prometheus]) -> None:
    platform, prometheus = watched

    def ledger(statement: str) -> dict[str, int]:
        return {str(row["name"]): int(str(row["n"])) for row in platform.sql(statement)}

    def summed(selector: str, label: str) -> dict[str, int]:
        found = prometheus.query(f"sum by ({label}) ({selector}) > 0")
        return {labels[label]: int(value) for labels, value in found}

    letters = ledger("SELECT cause AS name, count(*) AS n FROM dlq_deadletter WHERE state = 'open' GROUP BY 1")
    rows = ledger("SELECT channel AS name, count(*) AS n FROM notifications_notification GROUP BY 1")
    attempts = ledger("SELECT outcome AS name, count(*) AS n FROM notifications_attempt GROUP BY 1")
    (claims,) = ledger("SELECT 'all' AS name, sum(claims) AS n FROM notifications_notification").values()
    dead = ledger(
        "SELECT last_cause AS name, count(*) AS n FROM notifications_notification WHERE status = 'dead' GROUP BY 1"
    )
    sent = ledger(
        "SELECT provider AS name, count(*) AS n FROM notifications_notification WHERE status = 'sent' GROUP BY 1"
    )

    def all_is_scraped() -> bool:
        return summed('notifications_attempts_total{outcome="sent"}', "provider") == sent

    wait_until(all_is_scraped, what="Prometheus has seen the last send")
    assert summed("notifications_accepted_total", "channel") == rows
    assert summed('notifications_attempts_total{outcome!="sent"}', "outcome") == attempts
    assert summed("notifications_dead_total", "cause") == dead
    assert summed("notifications_claimed_total", "job") == {"notifications": claims}
    assert summed("notifications_accept_to_provider_seconds_count", "channel") == rows
    assert summed("notifications_unclaimable_records_total", "cause") == {"undecodable": 1}
    wait_until(
        lambda: summed("max by (cause) (notifications_open_dead_letters)", "cause") == letters,
        deadline=60,
        what="the scheduler has counted the letters",
    )
    assert summed('notifications_http_request_seconds_count{call=~"submit|batch"}', "call") == {
        "submit": len(CHANNELS) * SINGLE,
        "batch": len(CHANNELS),
    }


def test_a_figure_of_the_whole_ledger_is_the_schedulers_alone(watched: tuple[Platform, Prometheus]) -> None:
    _, prometheus = watched
    (scheduler,) = {labels["instance"] for labels, _ in prometheus.query("notifications_waiting")}
    for name in ("outbox_depth", "oldest_due_seconds", "ledger_default_rows", "growing_problems", "last_round_seconds"):
        assert [labels["instance"] for labels, _ in prometheus.query(f"notifications_{name}")] == [scheduler], name
    (sender,) = {labels["instance"] for labels, _ in prometheus.query("notifications_unsettled")}
    assert sender != scheduler


def test_every_expression_returns_data_or_is_explained(watched: tuple[Platform, Prometheus]) -> None:
    _, prometheus = watched
    for last in ("notifications:late:increase3d", "notifications_open_problems > 0"):
        wait_until(partial(prometheus.query, last), deadline=60, what=f"{last} is there")
    rows = {each: expressions.returned(prometheus, each) for each in expressions.expressions()}
    if page := os.environ.get("EXPRESSIONS_TABLE"):
        expressions.write(Path(page), rows)
    assert [expression for expression, words in rows.items() if not words] == []
    assert expressions.listed() == [(each.title, each.text) for each in rows]


def test_the_questions_on_the_pages_of_alerts_are_answered(watched: tuple[Platform, Prometheus]) -> None:
    platform, prometheus = watched
    page = (ROOT / "docs" / "alerts.md").read_text()
    for expression in re.findall(r"^promtool query instant PROMETHEUS '(.+)'$", page, re.MULTILINE):
        prometheus.query(expression)
    statements = re.findall(r"""^psql "\$DATABASE_URL" -c (?:"(.+)"|'(.+)')$""", page, re.MULTILINE)
    assert statements
    for quoted, plain in statements:
        platform.sql(plain or quoted.replace('\\"', '"'))
