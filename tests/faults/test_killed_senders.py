"""Senders that die, are asked to end, or are stopped for longer than their lease."""

from __future__ import annotations

import pytest

from harness.platform.web import metric
from harness.services.process import free_ports
from harness.services.waiting import wait_until
from tests.faults.site import SEND_TIMEOUT, THREADS, Site, locked, wait_until_blocked, wait_until_sending

AT_ONCE = 3 * THREADS  # sends in flight at most, over all channels
UNSETTLED = 2 * AT_ONCE  # these, and those that were answered a moment ago and are not yet settled


def slow(site: Site, seconds: float) -> None:
    for fake in (site.providers.smtp, site.providers.slack, site.providers.twilio):
        fake.answer(delay=seconds)


@pytest.mark.fault(1)
def test_a_killed_sender_loses_nothing(site: Site) -> None:
    site.hold("careful")
    slow(site, 0.3)
    site.platform.start_web()
    site.send(75)
    site.send(75, category="careful")
    sender = site.platform.start_sender()
    site.wait_until_took(40)
    sender.kill()
    site.struck()
    site.wait_until_database_is_idle()
    left = site.ids("status = 'sending'")
    handed = site.ids("status = 'sending' AND handed_at IS NOT NULL")
    assert handed < left, "the sender was killed too early or too late"

    site.platform.start_sender()
    site.wait_until_settled()
    assert site.attempts("lease-expired") == left
    assert site.ids("status = 'held'") == handed
    assert site.ids("status NOT IN ('sent', 'held')") == set()
    site.balance(duplicates=UNSETTLED)
    assert len(handed) <= UNSETTLED


@pytest.mark.fault(2)
def test_sigterm_lets_slow_sends_end_and_puts_the_rest_back(site: Site) -> None:
    slow(site, 1.0)
    site.platform.start_web()
    site.send(90)
    sender = site.platform.start_sender()
    site.wait_until_took(10)
    assert sender.stop(SEND_TIMEOUT + 5 + 5) == 0
    site.struck()
    all_was_put_back_and_is_sent(site)


def all_was_put_back_and_is_sent(site: Site) -> None:
    """A sender was asked to end: what was under way ended, and the rest goes to the next one, with nothing spent."""
    assert site.ids("status = 'sending' OR uncertain_count > 0") == set()
    assert len(site.ids("status = 'sent'")) == site.took() < len(site.accepted)
    assert site.ids("status = 'waiting' AND reason = 'handed-back' AND attempts = 0")

    slow(site, 0.0)
    site.platform.start_sender()
    site.wait_until_settled()
    assert site.ids("status <> 'sent'") == set()
    site.balance()


@pytest.mark.fault(2)
def test_a_send_that_outlasts_the_drain_is_uncertain(site: Site) -> None:
    site.platform.environment |= {"LEASE_SECONDS": "60", "SEND_TIMEOUT_SECONDS": "30"}
    site.providers.twilio.answer(hang=True)
    site.platform.start_web()
    (id,) = site.send(1, "SMS")
    sender = site.platform.start_sender("--drain", "4")
    wait_until(lambda: site.providers.twilio.asked, what="it was handed over")
    assert sender.stop(15) == 0
    site.struck()
    assert site.ids("status = 'waiting' AND reason = 'uncertain' AND uncertain_count = 1 AND attempts = 1") == {id}
    assert site.attempts("outcome-unknown") == {id}

    site.providers.twilio.mend()
    site.platform.start_sender()
    site.wait_until_settled()
    site.balance()


@pytest.mark.fault(11)
def test_a_stopped_sender_hands_over_nothing_whose_lease_has_passed(site: Site) -> None:
    """The other sender takes its rows; what the stopped one had handed over comes too late and changes nothing."""
    (port,) = free_ports(1)
    slow(site, 0.5)
    site.platform.start_web()
    stopped = site.platform.start_sender("--metrics-port", str(port), "--channels", "SMS")
    wait_until_sending(stopped)
    site.send(60, "SMS")
    site.wait_until_took(10)
    site.pause(stopped)
    left = site.ids("status = 'sending'")
    assert len(left) > 2 * THREADS, "too few rows were claimed ahead"

    site.platform.start_sender("--channels", "SMS")  # gets the partitions when the other's session has passed
    site.wait_until_settled()
    assert site.attempts("lease-expired") == left
    before = site.platform.sql("SELECT * FROM notifications_notification ORDER BY id")
    asked = site.providers.twilio.asked
    stopped.resume()
    site.struck()
    wait_until(lambda: metric(port, "notifications_unsettled") == 0, what="it let all its rows go")
    assert stopped.stop() == 0
    late = site.providers.twilio.asked - asked
    assert late <= THREADS, "no more than was being written when it was stopped, and nothing that waited"
    assert "results came too late" in stopped.output
    assert site.platform.sql("SELECT * FROM notifications_notification ORDER BY id") == before
    site.wait_until_settled()
    site.balance(duplicates=2 * THREADS)  # under way, or answered a moment ago and not yet settled


@pytest.mark.fault(11)
def test_a_late_success_counts_while_nobody_claimed_the_row_again(site: Site) -> None:
    site.platform.environment["RETRY_SCHEDULE"] = "600"  # nobody will
    slow(site, 0.5)
    site.platform.start_web()
    site.platform.start_scheduler()
    sender = site.platform.start_sender("--channels", "SMS", "--no-scheduler")
    wait_until_sending(sender)
    site.send(THREADS, "SMS")
    wait_until(lambda: site.providers.twilio.asked == THREADS, what="all are in flight")
    site.pause(sender)
    site.wait_until_took(THREADS)
    wait_until(lambda: len(site.ids("status = 'waiting'")) == THREADS, what="their leases were swept")
    assert len(site.attempts("lease-expired")) == THREADS
    sender.resume()
    site.struck()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": THREADS}
    assert sender.stop() == 0
    assert site.took() == THREADS
    site.balance()


@pytest.mark.fault(11)
def test_a_sender_stopped_inside_a_transaction_keeps_no_row_for_longer_than_a_lease(site: Site) -> None:
    """Its settle has run and was not committed: the rows are locked, and locked rows are not swept."""
    site.platform.start_web()
    site.platform.start_scheduler()
    site.providers.twilio.answer(delay=1.0)
    stopped = site.platform.start_sender("--channels", "SMS", "--no-scheduler")
    wait_until_sending(stopped)
    ids = set(site.send(THREADS, "SMS"))
    wait_until(lambda: site.providers.twilio.asked == THREADS, what="all are in flight")
    with locked(site, "SELECT * FROM notifications_notification FOR UPDATE"):
        site.wait_until_took(THREADS)
        wait_until_blocked(site, "UPDATE notifications_notification")
        stopped.pause()
    wait_until(lambda: site.attempts("lease-expired") == ids, what="the rows were let go and swept")
    stopped.resume()
    site.struck()
    site.wait_until_settled()
    assert stopped.running
    site.balance(duplicates=2 * THREADS)  # under way, or answered a moment ago and not yet settled
