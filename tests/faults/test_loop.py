"""The event loop that sends: with hundreds of sends under way when it is killed or stopped, and its own death."""

from __future__ import annotations

import pytest

from tests.faults.site import Site
from tests.faults.test_killed_senders import all_was_put_back_and_is_sent, slow

AT_ONCE = 256


def full(site: Site, **environment: str) -> None:
    """More is accepted than may be under way, and each send takes a while."""
    slow(site, 3.0)
    patient = {"SEND_TIMEOUT_SECONDS": "10", "LEASE_SECONDS": "20"}  # a busy machine is no unknown outcome
    site.platform.environment |= {"SENDER_THREADS": str(AT_ONCE), **patient, **environment}
    site.platform.start_web()
    for _ in range(2):
        site.send(300, "SLACK")


@pytest.mark.fault(33)
def test_a_sender_killed_with_a_full_loop_repeats_only_what_was_not_written_down(site: Site) -> None:
    full(site)
    sender = site.platform.start_sender()
    site.wait_until_took(150)
    sender.kill()
    site.struck()
    site.wait_until_database_is_idle()
    left = site.ids("status = 'sending'")
    assert len(left) > 100, "the sender was killed too late"

    slow(site, 0.0)
    site.platform.start_sender()
    site.wait_until_settled()
    assert site.attempts("lease-expired") == left
    assert site.ids("status <> 'sent'") == set()
    site.balance(duplicates=len(left))


@pytest.mark.fault(34)
def test_sigterm_lets_a_full_loop_end_and_puts_the_rest_back(site: Site) -> None:
    full(site)
    sender = site.platform.start_sender()
    site.wait_until_took(100)
    assert sender.stop(30) == 0
    site.struck()
    all_was_put_back_and_is_sent(site)


@pytest.mark.fault(35)
def test_a_loop_that_dies_ends_its_sender_which_says_what_it_does_not_know(site: Site) -> None:
    full(site, DJANGO_SETTINGS_MODULE="tests.faults.ending")
    sender = site.platform.start_sender()
    site.wait_until_took(20)
    (fatal,) = site.send(1, "SLACK", message="End of the loop")
    assert sender.wait(60) == 1
    site.struck()
    assert "The SLACK-loop failed." in sender.output
    assert site.ids("status = 'sending'") == set(), "it wrote down what it did not know"
    assert fatal in site.attempts("outcome-unknown")
    assert len(site.attempts("outcome-unknown")) <= AT_ONCE

    slow(site, 0.0)
    del site.platform.environment["DJANGO_SETTINGS_MODULE"]
    site.platform.start_sender()
    site.wait_until_settled()
    assert site.ids("status <> 'sent'") == set()
    site.balance(duplicates=AT_ONCE)
