"""Providers that answer badly, late or not at all."""

from __future__ import annotations

import itertools
import time

import pytest

from harness.services.process import Process
from harness.services.waiting import wait_until
from tests.faults.site import THREADS, Site, wait_until_sending

CATCH_UP = 60.0  # seconds; a measured pass may take a multiple of an undisturbed one on a busy machine


def started(site: Site, **environment: str) -> Process:
    site.platform.environment |= environment
    site.platform.start_web()
    sender = site.platform.start_sender()
    wait_until_sending(sender)
    return sender


@pytest.mark.fault(18)
def test_a_storm_of_429_waits_as_told_and_spends_nothing(site: Site) -> None:
    started(site)
    items = site.items(30)
    fakes = {"EMAIL": site.providers.smtp, "SLACK": site.providers.slack, "SMS": site.providers.twilio}
    for item in items:
        if item["type"] != "EMAIL":  # SMTP has no Retry-After
            answer = {"status": 429, "headers": (("Retry-After", "3"),), "times": 2}
            fakes[item["type"]].answer(item["receiver"], **answer)
    batch = site.post_batch(items)
    site.accepted |= {
        entry["id"]: item["message"] for entry, item in zip(batch.json()["notifications"], items, strict=True)
    }
    wait_until(lambda: site.ids("reason = 'throttled'"), what="they are put off")
    site.wait_until_settled(deadline=240)  # a provider that asked twice rests longer, and begins again with few
    assert site.ids("status <> 'sent' OR attempts > 0") == set()
    assert site.attempts("throttled") == site.ids("channel <> 'EMAIL'")
    tries = site.platform.sql("SELECT notification_id AS id, at FROM notifications_attempt ORDER BY id, at")
    gaps = [
        (later["at"] - earlier["at"]).total_seconds()
        for earlier, later in itertools.pairwise(tries)
        if earlier["id"] == later["id"]
    ]
    assert len(gaps) == 20, "each was answered so twice, and asked no more than that"
    assert min(gaps) >= 3.0, "it came back before Retry-After"
    site.balance()


@pytest.mark.fault(19)
def test_one_hanging_receiver_delays_nobody_else(site: Site) -> None:
    sender = started(site, SEND_TIMEOUT_SECONDS="10", LEASE_SECONDS="20", SENDER_THREADS="32")
    site.providers.twilio.answer(delay=0.05)
    usual = _pass(site, 380)
    broken = site.providers.receiver("SMS", 9_999_999)
    site.providers.twilio.answer(broken, hang=True)
    hanging = site.send(20, "SMS", receiver=broken)
    wait_until(lambda: site.ids("last_cause = '' AND status = 'sending'") & set(hanging), what="it hangs")
    disturbed = _pass(site, 380)
    assert site.ids("status = 'sent'") & set(hanging) == set()
    assert disturbed < 1.5 * usual + 1.0, f"{disturbed:.1f} s, undisturbed {usual:.1f} s"
    assert sender.running

    site.providers.twilio.mend(broken)
    site.struck()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 780}
    site.balance()


@pytest.mark.fault(25)
def test_smtp_that_hangs_for_everyone_delays_no_other_channel(site: Site) -> None:
    started(site, SEND_TIMEOUT_SECONDS="10", LEASE_SECONDS="20")
    for fake in (site.providers.slack, site.providers.twilio):
        fake.answer(delay=0.05)
    usual = _pass(site, 200, "SMS", "SLACK")
    site.providers.smtp.answer(hang=True)
    mails = set(site.send(100, "EMAIL"))
    wait_until(lambda: site.providers.smtp.asked >= THREADS, what="all threads of e-mail hang")
    disturbed = _pass(site, 200, "SMS", "SLACK")
    assert site.ids("status = 'sent'") & mails == set()
    assert disturbed < 1.5 * usual + 1.0, f"{disturbed:.1f} s, undisturbed {usual:.1f} s"

    site.providers.smtp.mend()
    site.providers.smtp.hang_up()
    site.struck()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 900}
    site.balance()


def _pass(site: Site, count: int, *channels: str) -> float:
    """Seconds from acceptance until the providers took so many more of each channel."""
    target, began = site.took() + count * max(1, len(channels)), time.monotonic()
    for channel in channels or ("SMS",):
        site.send(count, channel)
    site.wait_until_took(target, CATCH_UP)
    return time.monotonic() - began


@pytest.mark.fault(20)
def test_an_outage_kills_nobody_and_costs_each_one_retry_at_most(site: Site) -> None:
    started(site)
    site.providers.twilio.answer(status=500, code=20500)
    site.send(100, "SMS")
    wait_until(lambda: _breakers(site, "open"), what="the breaker opened")
    asked = site.providers.twilio.asked
    wait_until(lambda: site.providers.twilio.asked >= asked + 3, what="probes were sent")
    assert site.providers.twilio.asked < 100, "it kept asking a provider that was down"
    site.providers.twilio.mend()
    site.struck()
    site.wait_until_settled()
    wait_until(lambda: _breakers(site, "closed"), what="its closing is recorded")
    assert site.platform.statuses() == {"sent": 100}
    assert site.ids("attempts > 1") == set()
    site.balance()


def _breakers(site: Site, state: str) -> list[dict[str, object]]:
    return site.platform.sql(f"SELECT * FROM notifications_breakerevent WHERE state = '{state}'")


@pytest.mark.fault(20)
def test_a_receiver_always_answered_500_gets_six_tries_while_others_are_fine(site: Site) -> None:
    broken = site.providers.receiver("SMS", 9_999_999)
    site.providers.twilio.answer(broken, status=500, code=20500)
    started(site)
    (id,) = site.send(1, "SMS", receiver=broken)
    site.send(60)
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 60, "dead": 1}
    (letter,) = site.platform.sql("SELECT notification_id AS id, attempts, state FROM dlq_deadletter")
    assert letter == {"id": id, "attempts": 6, "state": "open"}
    assert sum(f"To={broken.replace('+', '%2B')}" in r.body.decode() for r in site.providers.twilio.requests) == 6
    assert not _breakers(site, "open")
    site.balance()
