"""A notification's whole way, through the real commands as processes."""

from __future__ import annotations

from collections import Counter

from harness.platform import Platform
from harness.platform.providers import CHANNELS, Providers
from harness.services.shared import SharedKafka
from harness.services.waiting import wait_until

CONSOLE = "org.apache.kafka.tools.consumer.ConsoleConsumer"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"


def batch(providers: Providers, numbers: range) -> dict[str, object]:
    """Notifications over all channels, each with a text of its own."""
    items = [
        {
            "type": CHANNELS[number % 3],
            "receiver": providers.receiver(CHANNELS[number % 3], number),
            "message": f"number {number}",
        }
        for number in numbers
    ]
    return {"notifications": items}


def test_600_over_three_channels_and_two_senders_arrive_once_each(
    connected: Platform, providers: Providers, kafka: SharedKafka
) -> None:
    connected.start_web()
    senders = [connected.start_sender(), connected.start_sender()]
    for start in range(0, 600, 200):
        answer = connected.post(batch(providers, range(start, start + 200)), "/notifications")
        assert answer.status == 202, answer.body
    connected.wait_for(sent=600)
    assert providers.texts() == Counter(f"number {number}" for number in range(600))
    connected.stop_all()
    assert [sender.wait() for sender in senders] == [0, 0]
    topic = f"{connected.environment['TOPIC_PREFIX']}sms"
    read = kafka.run_tool(
        CONSOLE, "--topic", topic, "--from-beginning", "--max-messages", "200", "--timeout-ms", "20000"
    )
    assert read.count('"channel":"SMS"') == 200
    lag = kafka.run_tool(GROUPS, "--describe", "--group", f"{topic}.senders")
    assert "LAG" in lag
    assert {line.split()[5] for line in lag.splitlines() if topic in line and ".senders" in line} == {"0"}


def test_a_receiver_with_500_dies_after_six_tries_and_a_replay_delivers_once(
    connected: Platform, providers: Providers
) -> None:
    broken = providers.receiver("SMS", 1)
    providers.twilio.answer(broken, status=500, code=20500)
    connected.start_web()
    connected.start_sender()
    id = connected.send(broken, channel="SMS", message="to the broken one")
    connected.send(providers.receiver("SMS", 2), channel="SMS", message="to a good one")
    connected.wait_for(sent=1, dead=1)
    assert providers.twilio.asked == 6 + 1
    (letter,) = connected.sql("SELECT * FROM dlq_deadletter")
    assert (letter["state"], letter["cause"], letter["attempts"]) == ("open", "provider-error", 6)
    shown = connected.get(f"/notification/{id}").json()
    assert [attempt["cause"] for attempt in shown["attempts"]] == ["provider-error"] * 6

    providers.twilio.mend()
    replay = f"from dlq.verbs import replay; print(replay([{letter['id']}], 'support'))"
    connected.manage("shell", "-c", replay)
    connected.wait_for(sent=2)
    assert providers.texts() == Counter({"to the broken one": 1, "to a good one": 1})
    wait_until(lambda: connected.sql("SELECT state FROM dlq_deadletter") == [{"state": "resolved"}], what="resolved")
