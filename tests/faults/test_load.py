"""Everything at once: many sends, short leases, stopped senders, sweeps."""

from __future__ import annotations

import pytest

from harness.services.waiting import wait_until
from tests.faults.site import Site, wait_until_sending

THREADS = 32


@pytest.mark.fault(28)
def test_settle_renewal_sweep_and_claim_do_not_fall_over_each_other(site: Site) -> None:
    """Renewals every half second beside settles and claims; a sender that stops has what it holds swept meanwhile."""
    site.platform.environment |= {"LEASE_SECONDS": "2", "SEND_TIMEOUT_SECONDS": "1", "SENDER_THREADS": str(THREADS)}
    _answer_after(site, 0.1)
    site.platform.start_web()
    schedulers = [site.platform.start_scheduler() for _ in range(2)]
    senders = [site.platform.start_sender("--no-scheduler") for _ in range(2)]
    for sender in senders:
        wait_until_sending(sender)
    for number in range(6):
        if number in (2, 4):
            _answer_after(site, 0.6)  # so that the sender holds rows when it stops
            site.send(500)
            site.pause(senders[1])
            _answer_after(site, 0.1)
            wait_until(lambda: not site.ids("status = 'sending'"), deadline=60, what="what it held is swept")
            senders[1].resume()
        else:
            site.send(500)
    site.struck()
    site.wait_until_settled()
    output = "".join(process.output for process in (*senders, *schedulers))
    assert "the ledger cannot be" not in output
    assert "Traceback" not in output
    assert site.platform.statuses() == {"sent": 3000}
    site.balance(duplicates=2 * 3 * THREADS)


def _answer_after(site: Site, seconds: float) -> None:
    for fake in (site.providers.smtp, site.providers.slack, site.providers.twilio):
        fake.answer(delay=seconds)
