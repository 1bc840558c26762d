"""One trace from the caller to the settled row, through real processes and over a retry and a replay."""

from __future__ import annotations

import json
from collections import Counter

from harness.fakes.collector import Collector
from harness.platform import Platform
from harness.platform.providers import Providers
from harness.services.waiting import wait_until

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
MARK = "zq7secret"


def test_one_trace_covers_the_caller_the_retry_and_the_replay(connected: Platform, providers: Providers) -> None:
    with Collector() as collector:
        connected.environment |= collector.environment | {"RETRY_SCHEDULE": "0.2"}
        receiver = providers.receiver("SMS", 1)
        providers.twilio.answer(receiver, status=500, body=MARK)
        connected.start_web()
        connected.start_sender()
        item = {"type": "SMS", "receiver": receiver, "message": MARK}
        headers = {"traceparent": f"00-{TRACE}-{CALLER}-01", "Content-Type": "application/json"}
        answer = connected.request("POST", "/notification", json.dumps(item).encode(), headers)
        connected.wait_for(dead=1)  # after one retry
        providers.twilio.mend()
        [letter] = connected.sql("SELECT id FROM dlq_deadletter")
        connected.manage("shell", "-c", f"from dlq.verbs import replay; replay([{letter['id']}], 'support')")
        connected.wait_for(sent=1)
        connected.stop_all()
        wait_until(lambda: len(collector.of(TRACE)) >= 13, what="the last spans have arrived")

    topic = f"{connected.environment['TOPIC_PREFIX']}sms"
    spans = collector.of(TRACE)
    names = Counter(span.name for span in spans)
    each_try = {f"publish {topic}": 3, f"claim {topic}": 3, "send SMS": 3, "settle": 3}
    assert names == {"intake": 1} | each_try
    by_id = {span.id: span for span in spans}
    [intake] = [span for span in spans if span.name == "intake"]
    assert intake.parent == CALLER
    for claim in (span for span in spans if span.name == f"claim {topic}"):
        assert by_id[claim.parent].name in ("intake", f"publish {topic}")
    for span in spans:
        assert span.attributes["messaging.system"] == "kafka"
        if span.name in ("send SMS", "settle"):
            assert by_id[span.parent].name == f"claim {topic}"
            assert span.attributes["messaging.message.id"] == answer.json()["id"]
    assert [span.attributes["error.type"] for span in spans if span.failed and span.name == "send SMS"] == [
        *("provider-error", "provider-error")
    ]
    assert not any(secret in span.whole for span in collector.spans for secret in (MARK, receiver[1:], connected._key))
    sends = {span.id for span in spans if span.name == "send SMS"}
    assert {entry.headers["traceparent"].split("-")[2] for entry in providers.twilio.requests} == sends
