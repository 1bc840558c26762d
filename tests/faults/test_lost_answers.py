"""Answers of the database that never arrive."""

from __future__ import annotations

import pytest

from harness.services.proxy import Proxy
from tests.faults.site import Site, wait_until_sending


@pytest.mark.fault(27)
def test_a_claim_whose_commit_was_not_answered_is_repeated_with_its_token(
    proxied_site: Site, database_proxy: Proxy
) -> None:
    site = proxied_site
    site.platform.start_web()
    sender = site.platform.start_sender("--channels", "SMS")
    wait_until_sending(sender)
    database_proxy.lose_answer_to(b"COMMIT", after=b"INSERT INTO notifications_notification AS n")
    site.send(50, "SMS")
    site.struck()
    site.wait_until_settled()
    assert database_proxy.answers_lost == 1
    assert "the ledger cannot be reached, SMS waits" in sender.output
    assert site.ids("status <> 'sent' OR claims <> 1 OR uncertain_count > 0") == set()
    assert site.took() == 50
    site.balance()
