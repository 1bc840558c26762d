"""`manage.py doctor` as an operator runs it: all is well, or nothing is."""

from __future__ import annotations

import subprocess
import sys

from harness.platform import Platform, wait_until

SECRET = "not-to-be-seen"


def doctor(platform: Platform) -> tuple[int, str]:
    """Returns its exit code and whatever it prints."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        env=platform.environment,
        cwd=platform.code,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_all_is_well(embedded: Platform) -> None:
    embedded.prepare()
    embedded.start_sender()
    kinds = "SELECT kind FROM notifications_workerheartbeat"
    wait_until(lambda: len(embedded.sql(kinds)) == 2, deadline=60, what="sender and scheduler are alive")
    code, lines = doctor(embedded)
    assert code == 0, lines
    assert "database writes: ok\n" in lines
    assert "senders: ok\n" in lines


def test_without_database_kafka_and_providers_the_rest_is_looked_at(embedded: Platform) -> None:
    embedded.environment |= {
        "DATABASE_URL": f"postgres://user:{SECRET}@127.0.0.1:1/none",
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "SECRET_KEY": f"{SECRET}-0123456789" * 3,
        "EMAIL_URL": "smtp://127.0.0.1:1",
        "SLACK_BOT_TOKEN": SECRET,
        "SLACK_BASE_URL": "http://127.0.0.1:1/api/",
    }
    code, lines = doctor(embedded)
    assert code == 1
    found = dict(line.split(": ", 1) for line in lines.splitlines() if ": " in line)
    assert found["libraries"] == "ok"
    assert found["database"] == "It does not answer. Is DATABASE_URL right? docs/runbooks.md, The database is down."
    assert found["schema"] == "left out. Mend this first: migrations."
    assert found["Kafka"].startswith("None of Kafka's brokers can be reached.")
    assert found["provider of EMAIL"].startswith("smtp: It cannot be used (No connection")
    assert found["provider of SLACK"].startswith("slack: It cannot be used (No connection")
    assert found["sender address"].endswith("set DEFAULT_FROM_EMAIL.")
    assert SECRET not in lines
