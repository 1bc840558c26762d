"""Workers whose clocks are wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harness.services.waiting import wait_until
from tests.faults.site import Site, wait_until_sending

WRONG_CLOCK = """
import datetime, time_machine
time_machine.travel(datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours={hours}), tick=True).start()
"""


@pytest.mark.fault(16)
@pytest.mark.parametrize("hours", [-1, 1])
def test_due_times_follow_the_clock_of_the_database(site: Site, tmp_path: Path, hours: int) -> None:
    site.providers.twilio.answer(status=500, code=20500, times=8)
    site.platform.start_web()
    (tmp_path / "sitecustomize.py").write_text(WRONG_CLOCK.format(hours=hours))
    site.platform.environment |= {"PYTHONPATH": str(tmp_path), "TZ": "UTC"}
    sender = site.platform.start_sender("--channels", "SMS")
    wait_until_sending(sender)
    soon = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    site.send(8, "SMS", expires_at=soon)
    wait_until(lambda: site.ids("status = 'waiting'"), what="a retry waits")
    late = "due_at > now() + interval '5 seconds' OR lease_until NOT BETWEEN now() - interval '1 minute'"
    assert site.ids(f"{late} AND now() + interval '1 minute'") == set()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 8}
    off = "settled_at NOT BETWEEN now() - interval '5 minutes' AND now()"
    assert site.ids(off) == set()
    site.balance()
    sender.stop()
    hour = (datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:")
    assert hour in sender.output, "its clock is right"
