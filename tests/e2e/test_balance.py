"""`manage.py balance` finds what was done to the books by hand."""

from __future__ import annotations

import subprocess
import sys

from confluent_kafka import Producer

from harness.platform import Platform
from harness.platform.providers import Providers
from harness.services.process import ROOT
from harness.services.topics import Settings, delete_before, ends, publish
from harness.services.waiting import wait_until
from tests.notifications.rows import id_of, message


def balance(platform: Platform) -> tuple[int, str]:
    command = [sys.executable, "manage.py", "balance"]
    done = subprocess.run(command, env=platform.environment, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_balance_finds_deleted_rows_turned_statuses_and_foreign_records(
    connected: Platform, providers: Providers
) -> None:
    connected.start_web()
    connected.start_sender()
    ids = [connected.send(providers.receiver("SMS", n), channel="SMS", message=str(n)) for n in range(5)]
    connected.wait_for(sent=5)
    connected.stop_all()
    waiting = connected.start_web()
    unclaimed = connected.send(providers.receiver("SMS", 9), channel="SMS", message="9")
    assert waiting.running
    code, output = balance(connected)
    assert (code, "It balances." in output) == (0, True), output
    assert "unclaimed            1" in output

    table = "notifications_notification"
    connected.sql(f"DELETE FROM {table} WHERE id = '{ids[0]}'")
    connected.sql(f"UPDATE {table} SET status = 'queued' WHERE id = '{ids[1]}'")
    connected.sql(f"UPDATE {table} SET status = 'waiting' WHERE id = '{ids[2]}'")
    connected.sql(f"UPDATE {table} SET status = 'dead' WHERE id = '{ids[3]}'")
    producer = Producer({"bootstrap.servers": connected.environment["KAFKA_BOOTSTRAP_SERVERS"]})
    producer.produce(f"{connected.environment['TOPIC_PREFIX']}email", b"{}")
    assert producer.flush(10) == 0

    code, output = balance(connected)
    assert code == 1
    for id in ids[:4]:
        assert f"off: {id}" in output
    assert ids[4] not in output
    assert unclaimed not in output
    assert "email[" in output
    assert "foreign record" in output


def test_balance_names_records_that_were_deleted_unread(connected: Platform, providers: Providers) -> None:
    connected.start_web()
    connected.send(providers.receiver("SMS", 1), channel="SMS", message="never read")
    topic = f"{connected.environment['TOPIC_PREFIX']}sms"
    reach: Settings = {"bootstrap.servers": connected.environment["KAFKA_BOOTSTRAP_SERVERS"]}
    delete_before(reach, topic, ends(reach, topic))
    code, output = balance(connected)
    assert code == 1
    assert f"off: {topic}[" in output
    assert "@0 to 0 was deleted by Kafka before it was read" in output


def test_the_books_balance_before_and_after_retention(connected: Platform, providers: Providers) -> None:
    """Records that the log still has, of notifications that retention removed, are not taken for lost."""
    reach: Settings = {"bootstrap.servers": connected.environment["KAFKA_BOOTSTRAP_SERVERS"]}
    topic = f"{connected.environment['TOPIC_PREFIX']}sms"
    old = [message(id=id_of(95), channel="SMS", receiver=providers.receiver("SMS", n)) for n in range(5)]
    records = [one.to_record() for one in old]
    unreadable = [b"{", f'{{"id": "{id_of(95)}"}}'.encode()]  # one of them has a readable id
    publish(reach, topic, [*records, records[0], *unreadable], origin="intake")  # one twice
    connected.environment["RETENTION_DAYS"] = "0"  # or they were held, for being older than rows are kept
    connected.start_web()
    connected.start_sender("--no-scheduler")
    connected.send(providers.receiver("SMS", 9), channel="SMS")
    connected.wait_for(sent=6)
    wait_until(
        lambda: len(connected.sql("SELECT 1 FROM dlq_deadletter")) == 2, what="the unreadable records have letters"
    )
    connected.stop_all()
    connected.sql("UPDATE dlq_deadletter SET state = 'discarded', changed_at = now() - interval '95 days'")
    code, output = balance(connected)
    assert (code, "accepted            6" in output) == (0, True), output

    del connected.environment["RETENTION_DAYS"]
    connected.manage("prune")
    assert connected.statuses() == {"sent": 1}
    assert connected.sql("SELECT 1 FROM dlq_deadletter") == []
    code, output = balance(connected)
    assert (code, "accepted            6" in output) == (0, True), output
    assert "pruned            5" in output

    connected.sql("UPDATE notifications_prunedday SET rows = '{\"sent\": 4}' WHERE rows ? 'sent'")
    connected.sql("UPDATE notifications_prunedday SET rows = '{}' WHERE rows ? 'unreadable'")
    code, output = balance(connected)
    assert code == 1
    assert "off: 6 of " in output
    assert "retention removed 4 of that day" in output
    assert "was read, and is neither" in output
