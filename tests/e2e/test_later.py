"""Scheduled and cancelled, on real Kafka and PostgreSQL: what only Kafka has, and what waits for its time."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from harness.platform import Platform
from harness.platform.providers import Providers
from tests.e2e.test_balance import balance


def test_what_is_cancelled_while_only_kafka_has_it_is_not_sent(connected: Platform, providers: Providers) -> None:
    connected.start_web()
    sender = connected.start_sender()
    first = connected.send(providers.receiver("SMS", 9), channel="SMS", message="number 9")
    connected.wait_for(sent=1)
    assert sender.stop(60) == 0
    ids = [connected.send(providers.receiver("SMS", n), channel="SMS", message=f"number {n}") for n in range(4)]
    stranger = {"Authorization": f"Bearer {connected.create_api_key('send', client='bank')}"}
    assert connected.statuses() == Counter(sent=1)
    assert connected.request("DELETE", f"/notification/{ids[0]}").status == 200
    assert connected.request("DELETE", f"/notification/{ids[0]}").json() == {"id": ids[0], "status": "cancelled"}
    assert connected.request("DELETE", f"/notification/{ids[1]}", headers=stranger).status == 200
    made_up = first[:-12] + "0" * 12
    assert connected.request("DELETE", f"/notification/{made_up}").status == 200
    code, output = balance(connected)
    assert (code, "accepted            5" in output) == (0, True), output

    connected.start_sender()
    connected.wait_for(sent=4, cancelled=2)
    assert providers.texts() == Counter(f"number {n}" for n in (1, 2, 3, 9))
    assert connected.request("DELETE", f"/notification/{ids[1]}", headers=stranger).status == 404
    late = connected.request("DELETE", f"/notification/{ids[1]}")
    assert (late.status, late.json()["code"], late.json()["status"]) == (409, "too_late", "sent")
    assert connected.get(f"/notification/{ids[0]}").json()["type"] == "SMS", "it has met its record"
    code, output = balance(connected)
    assert (code, "accepted            5" in output) == (0, True), output


def test_what_is_scheduled_waits_in_the_ledger_and_goes_at_its_time(connected: Platform, providers: Providers) -> None:
    connected.start_web()
    connected.start_sender()
    receiver, far = providers.receiver("SMS", 1), datetime.now(UTC) + timedelta(days=80)
    later = connected.send(receiver, channel="SMS", message="later", send_at=far.isoformat())
    cancelled = connected.send(receiver, channel="SMS", message="cancelled", send_at=far.isoformat())
    connected.wait_for(waiting=2)
    row = connected.get(f"/notification/{later}").json()
    assert (row["reason"], row["due_at"], row["attempts"]) == ("scheduled", row["send_at"], [])
    assert connected.request("DELETE", f"/notification/{cancelled}").status == 200

    soon = datetime.now(UTC) + timedelta(seconds=3)
    connected.send(receiver, channel="SMS", message="soon", send_at=soon.isoformat())
    connected.wait_for(sent=1, waiting=1, cancelled=1)
    table = "notifications_notification WHERE status = 'sent'"
    (sent,) = connected.sql(f"SELECT settled_at >= send_at AS in_time FROM {table}")
    assert sent["in_time"]
    assert providers.texts() == Counter(["soon"])
    code, output = balance(connected)
    assert code == 0, output
