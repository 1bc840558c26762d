"""Why the database did not do it: by SQLSTATE, by SQLite's words and libpq's, and never with what it quotes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from django.db import Error, OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from harness.services.process import free_ports
from harness.services.shared import SharedPostgres
from project.database import refusals as why
from project.environment import database

pytestmark = pytest.mark.usefixtures("unblocked")
QUOTED = "Key (receiver)=(ann@example.com)"


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("25006", why.READ_ONLY),
        ("28P01", why.NO_LOGIN),
        ("3D000", why.NO_DATABASE),
        ("40P01", why.BUSY),
        ("42501", why.NO_RIGHT),
        ("42703", why.NO_TABLES),
        ("42P01", why.NO_TABLES),
        ("53100", why.DISK_FULL),
        ("53300", why.NO_CONNECTION),
        ("53999", why.BY_SQLSTATE["53"]),
        ("57014", why.TOO_SLOW),
        ("57P03", why.NOT_UP),
        ("58030", why.IO_ERROR),
        ("XX001", why.DAMAGED),
        ("08006", why.NO_ANSWER),
    ],
)
def test_a_code_of_postgresql_has_its_sentence(db: None, code: str, sentence: str) -> None:
    with pytest.raises(Error) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION '{QUOTED}' USING ERRCODE = '{code}'; END $$")
    assert why.reason(raised.value) == sentence
    assert why.is_outage(raised.value)


@pytest.mark.postgresql
@pytest.mark.parametrize("code", ["23505", "22001", "42601", "25P02"])
def test_what_the_statement_is_to_blame_for_is_no_outage(db: None, code: str) -> None:
    with pytest.raises(Error) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION '{QUOTED}' USING ERRCODE = '{code}'; END $$")
    assert not why.is_outage(raised.value)
    assert "ann" not in why.reason(raised.value)


@pytest.fixture
def unblocked(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """These tests open databases of their own."""
    with django_db_blocker.unblock():
        yield


def opened(url: str, monkeypatch: pytest.MonkeyPatch) -> BaseDatabaseWrapper:
    monkeypatch.setenv("A_URL", url)
    return ConnectionHandler({"default": database("A_URL", Path("unused"))})["default"]


def test_connections_that_fail_say_why(postgres: SharedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    (nobody,) = free_ports(1)
    stranger = postgres.url("postgres").replace("notifications:", "nobody:", 1)
    cases = {
        postgres.url("nowhere"): why.NO_DATABASE,
        stranger: why.NO_LOGIN,
        f"postgres://u:p@127.0.0.1:{nobody}/x": why.NO_ANSWER,
        "postgres://u:p@nowhere.invalid/x": why.BY_PHRASE["could not translate host name"],
    }
    for url, sentence in cases.items():
        with pytest.raises(OperationalError) as raised:
            opened(url, monkeypatch).ensure_connection()
        assert why.reason(raised.value) == sentence, url


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ('FATAL:  password authentication failed for user "app"', why.NO_LOGIN),
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "app"', why.NO_LOGIN),
        ("FATAL:  the database system is starting up", why.NOT_UP),
        ("FATAL:  sorry, too many clients already", why.NO_CONNECTION),
        ("FATAL:  remaining connection slots are reserved for roles with SUPERUSER", why.NO_CONNECTION),
        ("connection to server failed: session is read-only", why.READ_ONLY),
        ("server closed the connection unexpectedly", why.NO_ANSWER),
        ("FATAL:  no such database: x", why.NO_DATABASE),
    ],
)
def test_the_words_of_libpq_have_theirs(message: str, sentence: str) -> None:
    assert why.reason(OperationalError(message)) == sentence


@contextmanager
def lite(path: Path, monkeypatch: pytest.MonkeyPatch, *statements: str) -> Iterator[None]:
    """Run the statements one after the other on a SQLite file."""
    wrapper = opened(f"sqlite:///{path}", monkeypatch)
    wrapper.settings_dict["OPTIONS"]["timeout"] = 0
    with closing(wrapper), wrapper.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        yield


@pytest.mark.parametrize(
    ("sentence", "statements"),
    [
        (why.NO_TABLES, ["SELECT * FROM absent"]),
        ("It refused a statement (SQLITE_ERROR).", ["NONSENSE"]),
        (why.NO_TABLES, ["CREATE TABLE t (a)", "SELECT b FROM t"]),
        (why.READ_ONLY, ["CREATE TABLE t (a)", "PRAGMA query_only = on", "INSERT INTO t VALUES (1)"]),
        (
            why.DISK_FULL,
            ["CREATE TABLE t (a)", "PRAGMA max_page_count = 1", "INSERT INTO t VALUES (hex(randomblob(99999)))"],
        ),
    ],
)
def test_sqlite_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sentence: str, statements: list[str]) -> None:
    with pytest.raises(OperationalError) as raised, lite(tmp_path / "a", monkeypatch, *statements):
        pass
    assert why.reason(raised.value) == sentence


def test_files_that_are_no_database_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "text").write_text("no database" * 1000)
    with sqlite3.connect(tmp_path / "busy", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        cases = {"text": why.DAMAGED, "none/here": why.NO_FILE, "busy": why.BUSY}
        for name, sentence in cases.items():
            with pytest.raises(Error) as raised, lite(tmp_path / name, monkeypatch, "CREATE TABLE t (a)"):
                pass
            assert why.reason(raised.value) == sentence
    other.close()
