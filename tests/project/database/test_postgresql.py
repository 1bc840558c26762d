"""A connection is kept as long as the server behind it takes writes; of several hosts the one that does is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from harness.services.postgres import ROLE, Postgres, run_as_superuser
from harness.services.shared import SharedPostgres
from project import environment as env


@pytest.fixture(autouse=True)
def unblocked(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """These tests open databases of their own."""
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def demoted(postgres: SharedPostgres) -> Iterator[Postgres]:
    """Another server, which takes no writes; asking for the shared one skips where none can be."""
    with Postgres() as server:
        server.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        server.execute("SELECT pg_reload_conf()")
        yield server


def opened(monkeypatch: pytest.MonkeyPatch, url: str) -> BaseDatabaseWrapper:
    monkeypatch.setenv("A_URL", url)
    return ConnectionHandler({"default": env.database("A_URL", Path("unused"))})["default"]


def asked(wrapper: BaseDatabaseWrapper, statement: str) -> object:
    with wrapper.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


@pytest.mark.parametrize("parameters", ["", "?target_session_attrs=read-write"])
def test_of_two_hosts_the_one_that_takes_writes_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, postgres: SharedPostgres, demoted: Postgres, parameters: str
) -> None:
    hosts = f"127.0.0.1:{demoted.port},127.0.0.1:{postgres.port}"
    with closing(opened(monkeypatch, f"postgres://{ROLE}:{ROLE}@{hosts}/{ROLE}{parameters}")) as wrapper:
        assert asked(wrapper, "SELECT inet_server_port()") == postgres.port


def test_a_connection_whose_server_became_read_only_is_not_usable(
    monkeypatch: pytest.MonkeyPatch, postgres: SharedPostgres
) -> None:
    with closing(opened(monkeypatch, postgres.url(ROLE))) as wrapper:
        before = asked(wrapper, "SELECT pg_backend_pid()")
        asked(wrapper, "SELECT set_config('default_transaction_read_only', 'on', false)")
        assert not wrapper.is_usable()
        wrapper.close_if_unusable_or_obsolete()  # as at the end of a request: the next one asks
        assert asked(wrapper, "SELECT pg_backend_pid()") != before
        assert wrapper.is_usable()


def test_a_connection_that_broke_is_not_usable(monkeypatch: pytest.MonkeyPatch, postgres: SharedPostgres) -> None:
    with closing(opened(monkeypatch, postgres.url(ROLE))) as wrapper:
        assert not wrapper.is_usable()
        before = asked(wrapper, "SELECT pg_backend_pid()")
        run_as_superuser(postgres.port, f"SELECT pg_terminate_backend({before}, 5000)")
        assert not wrapper.is_usable()
