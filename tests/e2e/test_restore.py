"""A backup with the tools of docs/backup.md: dump, go on sending, lose the database, restore, rewind, start."""

from __future__ import annotations

import subprocess
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from uuid import uuid4

import pytest

from harness.platform import Platform
from harness.platform.providers import Providers
from harness.services.postgres import find
from harness.services.shared import SharedPostgres


def dump(platform: Platform, to: Path) -> None:
    command = [str(find("pg_dump")), "--format=custom", f"--file={to}", platform.database_url]
    subprocess.run(command, check=True, capture_output=True)


def restore(platform: Platform, postgres: SharedPostgres, dumped: Path) -> None:
    """Restores into a database of its own, which the platform's processes use from then on."""
    url = postgres.create_database(f"test_{uuid4().hex[:12]}")
    platform.database_url = platform.environment["DATABASE_URL"] = url
    command = [str(find("pg_restore")), "--no-owner", "--exit-on-error", f"--dbname={url}", str(dumped)]
    subprocess.run(command, check=True, capture_output=True)


HOUR = timedelta(hours=1)
TEXTS = {each: ", ".join(each) for each in product(("before", "around", "after", "unread"), ("default", "careful"))}


def send(platform: Platform, providers: Providers, name: str) -> None:
    """One of each category."""
    for category in ("default", "careful"):
        fields = {"message": TEXTS[name, category], "category": category}
        platform.send(providers.receiver("SMS", 1), channel="SMS", **fields)


def live(platform: Platform, providers: Providers, dumped: Path) -> None:
    """Sends before a backup, around it and after it, and leaves something unread and something for later."""
    columns = "name, on_uncertain, sensitive"
    platform.sql(f"INSERT INTO notifications_category ({columns}) VALUES ('careful', 'hold', false)")
    web, sender = platform.start_web(), platform.start_sender()
    send(platform, providers, "before")
    now = datetime.now(UTC)
    times = {"send_at": (now + HOUR).isoformat(), "latest_at": (now + 2 * HOUR).isoformat()}
    platform.send(providers.receiver("SMS", 1), channel="SMS", message="later", **times)
    platform.wait_for(sent=2, waiting=1)
    assert sender.stop() == 0
    send(platform, providers, "around")  # in Kafka alone while the backup is made
    dump(platform, dumped)
    sender = platform.start_sender()
    send(platform, providers, "after")
    platform.wait_for(sent=6, waiting=1)
    assert sender.stop() == 0
    send(platform, providers, "unread")
    web.kill()


def test_what_was_sent_before_the_backup_is_not_sent_again_and_of_the_rest_the_category_decides(
    connected: Platform, providers: Providers, postgres: SharedPostgres, tmp_path: Path
) -> None:
    began = datetime.now(UTC).isoformat()
    live(connected, providers, tmp_path / "dump")
    restore(connected, postgres, tmp_path / "dump")
    assert connected.statuses() == {"sent": 2, "waiting": 1}
    past = ", ".join(f"{name} = {name} - interval '3 hours'" for name in ("send_at", "expires_at", "due_at"))
    connected.sql(f"UPDATE notifications_notification SET {past} WHERE status = 'waiting'")
    assert "sms: 7 records are read again" in connected.manage("rewind", "--to", began)
    connected.manage("rewind", "--to", began)  # once more changes nothing
    connected.start_sender()
    connected.wait_for(sent=6, held=2, expired=1)
    twice = [TEXTS["around", "default"], TEXTS["after", "default"]]
    assert providers.texts() == Counter([*TEXTS.values(), *twice])
    held = connected.sql("SELECT message FROM notifications_notification WHERE status = 'held' ORDER BY message")
    assert [row["message"] for row in held] == [TEXTS["after", "careful"], TEXTS["around", "careful"]]
    connected.manage("check", "--database", "default", "--fail-level", "WARNING")
    assert "It balances." in connected.manage("balance")
    with pytest.raises(AssertionError, match="stop them all first"):
        connected.manage("rewind")
