"""The minutes of real processes: what the web accepted and a sender sent, also where both end at once."""

from __future__ import annotations

import pytest

from harness.platform import Platform, wait_until
from harness.platform.providers import Providers


def minutes(platform: Platform) -> dict[tuple[str, str], int]:
    counted = platform.sql("SELECT channel, happened, sum(count) AS n FROM notifications_minute GROUP BY 1, 2")
    return {(row["channel"], row["happened"]): int(str(row["n"])) for row in counted}


def standings(platform: Platform) -> set[str]:
    return {str(row["name"]) for row in platform.sql("SELECT name FROM notifications_standing")}


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_all_is_counted_when_the_processes_have_ended(embedded: Platform, options: tuple[str, ...]) -> None:
    embedded.prepare()
    embedded.start_web(*options)
    embedded.start_sender()
    for number in range(5):
        embedded.send(f"receiver{number}@example.org")
    embedded.send("+4930123456", channel="SMS")
    embedded.wait_for(sent=6)
    embedded.stop_all()
    assert minutes(embedded) == {
        ("EMAIL", "accepted"): 5,
        ("EMAIL", "sent"): 5,
        ("SMS", "accepted"): 1,
        ("SMS", "sent"): 1,
    }


def test_with_kafka_each_process_counts_what_it_does(connected: Platform, providers: Providers) -> None:
    connected.start_web()
    connected.start_sender("--no-scheduler")
    connected.start_scheduler()
    items = [
        {"type": "EMAIL", "receiver": providers.receiver("EMAIL", number), "message": "Hello"} for number in range(50)
    ]
    assert connected.post({"notifications": items}, "/notifications").status == 202
    connected.wait_for(sent=50)
    wait_until(lambda: {"waiting", "queued", "lags", "outbox", "jobs"} <= standings(connected), what="all is measured")
    connected.stop_all()
    assert minutes(connected) == {("EMAIL", "accepted"): 50, ("EMAIL", "sent"): 50}
