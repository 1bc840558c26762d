"""What is scheduled comes due while those who bring it back and send it die: each is sent, after its time, and once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from harness.services.process import Process
from harness.services.waiting import wait_until
from tests.faults.site import Site

HOUR = timedelta(hours=1)
TABLE = "notifications_notification"
BATCHES, SIZE, EVERY = 10, 24, 0.5  # a batch comes due each half second


def scheduled(site: Site) -> list[str]:
    """Sends batches for some times in an hour, and waits until all are in the ledger. Returns their ids."""
    begin = datetime.now(UTC) + HOUR
    ids: list[str] = []
    for number in range(BATCHES):
        ids += site.send(SIZE, send_at=(begin + timedelta(seconds=EVERY * number)).isoformat())
    wait_until(lambda: len(site.ids("reason = 'scheduled'")) == len(ids), what="all wait for their time")
    return ids


def an_hour_later(site: Site) -> None:
    """They come due one after the other from now on, however long it took until all were there."""
    earliest = f"(SELECT min(due_at) FROM {TABLE})"
    site.platform.sql(
        f"UPDATE {TABLE} SET send_at = send_at - ({earliest} - now()), due_at = due_at - ({earliest} - now())"
    )


def killed_again_and_again(site: Site, start: Callable[[], Process], count: int) -> None:
    """Kills a process of this kind whenever as many more have arrived, and starts the next one, until all have."""
    process = start()
    for _ in range(4):
        site.wait_until_took(min(site.took() + 20, count))
        process.kill()
        process = start()


@pytest.mark.fault(40)
def test_schedulers_killed_while_scheduled_rows_come_due_send_none_twice(site: Site) -> None:
    site.platform.start_web()
    site.platform.start_sender("--no-scheduler")
    ids = scheduled(site)
    cancelled = ids[::12]
    for id in cancelled:
        assert site.platform.request("DELETE", f"/notification/{id}").status == 200
    an_hour_later(site)
    killed_again_and_again(site, site.platform.start_scheduler, len(ids) - len(cancelled))
    site.struck()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": len(ids) - len(cancelled), "cancelled": len(cancelled)}
    assert site.ids("status = 'cancelled'") == set(cancelled)
    assert site.ids("settled_at < send_at AND status = 'sent'") == set()
    site.balance()


@pytest.mark.fault(40)
def test_senders_killed_while_scheduled_rows_come_due_lose_none(site: Site) -> None:
    for fake in (site.providers.smtp, site.providers.slack, site.providers.twilio):
        fake.answer(delay=0.05)
    site.platform.start_web()
    first = site.platform.start_sender()
    ids = scheduled(site)
    first.kill()
    an_hour_later(site)
    killed_again_and_again(site, site.platform.start_sender, len(ids))
    site.struck()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": len(ids)}
    assert site.ids("settled_at < send_at") == set()
    site.balance(duplicates=len(ids))
