"""What a database lacks although all its migrations are applied is named."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.db import connection

from project.database import schema


def differences() -> list[str]:
    return [str(warning.msg) for warning in schema.compare(["default"])]


def test_a_migrated_database_has_what_the_models_describe(db: None) -> None:
    assert differences() == []


@pytest.mark.parametrize(
    ("statements", "named"),
    [
        (["DROP INDEX ledger_due"], "ledger_due"),
        (["DROP INDEX ledger_user", "CREATE INDEX ledger_user ON notifications_notification (id)"], "ledger_user"),
        (["ALTER TABLE notifications_sandboxmessage RENAME COLUMN html TO xml"], "notifications_sandboxmessage.html"),
        (["ALTER TABLE users_device RENAME TO users_devices"], "users_device is missing"),
    ],
    ids=["an index", "its columns", "a column", "a table"],
)
def test_what_is_missing_is_named(db: None, statements: list[str], named: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    found = differences()
    assert any(named in what for what in found), found


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("table", "kind", "column", "named"),
    [
        ("users_apikey", "u", "prefix", "unique of users_apikey.prefix"),
        ("users_device", "f", "user_id", "foreign key of users_device.user_id"),
        ("notifications_attempt", "u", "notification_id", "attempt_once_for_each_claim"),
    ],
)
def test_a_missing_constraint_is_named(db: None, table: str, kind: str, column: str, named: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]"
            " WHERE conrelid = %s::regclass AND contype = %s AND attname = %s",
            [table, kind, column],
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    found = differences()
    assert any(named in what for what in found), found


def test_the_command_says_so(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX ledger_due")
    call_command("check", databases=["default"])
    assert "ledger_due" in capsys.readouterr().err
