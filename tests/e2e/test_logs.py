"""What the real processes log: a line for each change of state with its ids, and nothing that is anybody's business."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import pytest

from harness.platform import Platform
from harness.platform.providers import Providers
from harness.services.process import ROOT
from harness.services.records import write_record
from harness.services.shared import SharedKafka
from harness.services.waiting import wait_until

MARK = "zq7secret"  # stands in every text, address, name and webhook
NUMBERS = "+155501979"  # all telephone numbers begin so
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACED = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "Content-Type": "application/json"}


@pytest.fixture
def logged(connected: Platform) -> Platform:
    """The platform as the image runs it: the server logs as its application does."""
    granian = {"PYTHONPATH": str(ROOT), "GRANIAN_LOG_CONFIG": str(ROOT / "project/logs/granian.json")}
    connected.environment |= granian | {"SLACK_BOT_TOKEN": f"xoxb-{MARK}", "RETRY_SCHEDULE": "0.2,0.2"}
    return connected


def lines_of(platform: Platform) -> list[dict[str, Any]]:
    return [json.loads(line) for process in platform.processes for line in process.output.splitlines()]


def happened_to(id: str, lines: list[dict[str, Any]]) -> list[str]:
    """Returns the events of a notification, by name, as somebody finds them who looks for its id.

    Each process writes when it knows of its change, so a fast sender's line may come before the one of the scheduler.
    """
    about = [line for line in lines if id in json.dumps(line)]
    assert {line.get("trace_id", TRACE) for line in about} == {TRACE}
    return sorted(line["event"] for line in about)


def submit(platform: Platform, **fields: object) -> str:
    item = {"message": f"text {MARK}", "reference": f"reference {MARK}"} | fields
    answer = platform.request("POST", "/notification", json.dumps(item).encode(), TRACED)
    assert answer.status == 202, answer.body
    return str(answer.json()["id"])


def test_whatever_happens_the_logs_have_ids_and_nobodys_business(
    logged: Platform, providers: Providers, kafka: SharedKafka
) -> None:
    logged.start_web()
    logged.start_sender()
    sent, retried, dead = three_fates(logged, providers)
    wrong_requests(logged)
    write_record(kafka.servers, f"{logged.environment['TOPIC_PREFIX']}sms", f'{{"receiver": "{MARK}"}}'.encode())
    wait_until(lambda: len(logged.sql("SELECT 1 FROM dlq_deadletter")) == 2, what="it is a dead letter")
    providers.twilio.mend()
    staff_acts(logged)
    many = many_that_simply_go_out(logged)
    providers.slack.answer(status=500, body=MARK)  # for everybody, so the breaker opens
    for number in range(30):
        submit(logged, type="SLACK", receiver=providers.slack.webhook(f"T1/B1/{MARK}{number}"))
    wait_until(lambda: logged.sql("SELECT 1 FROM notifications_breakerevent"), what="the breaker is open")
    logged.stop_all()

    everything = "".join(process.output for process in logged.processes)
    for secret in (MARK, NUMBERS, NUMBERS[1:], logged._key, logged.environment["TWILIO_AUTH_TOKEN"]):
        assert secret not in everything
    lines = lines_of(logged)
    assert happened_to(sent, lines) == ["accepted", "sent"]
    assert happened_to(retried, lines) == ["accepted", "queued", "sent", "waiting"]
    assert happened_to(dead, lines) == ["accepted", "dead", "queued", "replayed", "sent", "staff_act"]
    acts = {(each["action"], each["count"]) for each in named("staff_act", lines)}
    assert acts == {("replay", 1), ("discard", 1), ("put-user", 1)}
    assert [(each["state"], each["channel"]) for each in named("breaker", lines)] == [("open", "SLACK")]
    assert [each["cause"] for each in named("unreadable", lines)] == ["undecodable"]
    of_many = [line for line in lines if {line.get("id"), *line.get("ids", [])} & set(many)]
    assert Counter(line["event"] for line in of_many) == {"accepted": len(many) / 100, "sent": len(many)}


def three_fates(platform: Platform, providers: Providers) -> tuple[str, str, str]:
    """Returns the ids of one that is sent, one that is sent at the second try and one that dies."""
    refused, webhook = f"{NUMBERS}01", providers.slack.webhook(f"T1/B1/{MARK}")
    words = json.dumps({"code": 21211, "message": f"The number {refused} is not valid, {MARK}"})
    providers.twilio.answer(refused, status=400, body=words)
    providers.slack.answer(webhook, status=500, body=MARK, times=1)
    subject, html = f"subject {MARK}", f"<p>{MARK}</p>"
    sent = submit(platform, type="EMAIL", receiver=f"{MARK}@example.com", subject=subject, html=html)
    retried = submit(platform, type="SLACK", receiver=webhook)
    dead = submit(platform, type="SMS", receiver=refused)
    platform.wait_for(sent=2, dead=1)
    return sent, retried, dead


def staff_acts(platform: Platform) -> None:
    """Replays the one that died, and discards the record that nobody can read."""
    [letter] = platform.sql("SELECT id FROM dlq_deadletter WHERE notification_id IS NOT NULL")
    [unread] = platform.sql("SELECT id FROM dlq_deadletter WHERE notification_id IS NULL")
    acts = f"replay([{letter['id']}], 'ann {MARK}'); discard([{unread['id']}], 'ann {MARK}', 'because of {MARK}')"
    shell = [sys.executable, "manage.py", "shell", "--no-imports", "-c", f"from dlq.verbs import *; {acts}"]
    assert platform.start("staff", shell).wait(60) == 0
    platform.wait_for(sent=3)


def named(event: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line.get("event") == event]


def many_that_simply_go_out(platform: Platform) -> list[str]:
    items = [{"type": "SMS", "receiver": f"{NUMBERS}{number}", "message": MARK} for number in range(100, 400)]
    answer = platform.post({"notifications": items}, "/notifications")
    platform.wait_for(sent=3 + len(items))
    return [each["id"] for each in answer.json()["notifications"]]


def wrong_requests(platform: Platform) -> None:
    """Makes the mistakes that callers make, and writes to the directory."""
    secret = json.dumps({"type": "EMAIL", "receiver": f"{MARK}@", "message": MARK}).encode()
    assert platform.request("POST", "/notification", secret, TRACED).status == 400
    assert platform.request("POST", "/notification", secret, TRACED | {"traceparent": MARK}).status == 400
    assert platform.request("GET", f"/notifications?receiver={MARK}@example.com&x=1").status == 400
    assert platform.request("GET", f"/users/{MARK}@example.com").status == 404
    assert platform.request("GET", "/users", headers={"Authorization": f"Bearer ntf_{MARK}_{MARK}"}).status == 401
    devices = json.dumps({"name": MARK, "devices": [{"type": "SMS", "address": f"{NUMBERS}02"}]}).encode()
    answer = platform.request("PUT", f"/users/{MARK}@example.com", devices, {"Content-Type": "application/json"})
    assert answer.status == 201
