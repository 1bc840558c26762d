"""A database of version 1.0, in which people and accounts were one table, is migrated in place."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from harness.platform import database
from harness.services.process import ROOT
from harness.services.shared import SharedPostgres
from tests.users.version_1_0 import PASSWORDS

LOGIN = """
from django.contrib.auth.models import User
from django.test import Client
for name, password in PASSWORDS.items():
    client = Client(SERVER_NAME="localhost")
    client.post("/admin/login/", {"username": name, "password": password}, REMOTE_ADDR="192.0.2.1")
    print(name, client.get("/admin/").status_code, end=", ")
later = User.objects.create_user("later")
print(later, later.pk)
later.delete()
"""
MIGRATE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
"""
NOTHING_LEFT = """
from django.core.management import call_command
call_command("migrate")
call_command("check", databases=["default"])
"""
SCHEMA = """
from django.db import connection
look = connection.introspection
with connection.cursor() as cursor:
    for table in sorted(look.table_names(cursor)):
        columns = [(each.name, each.type_code, each.null_ok) for each in look.get_table_description(cursor, table)]
        rules = [(each["columns"], each["unique"], each["index"], each["foreign_key"])
                 for each in look.get_constraints(cursor, table).values()]
        print(table, sorted(columns), sorted(map(str, rules)), sorted(look.get_relations(cursor, table).items()))
"""


class Installed:
    """A database of its own, and commands of this version that run against it."""

    def __init__(self, url: str, directory: Path) -> None:
        self.url = url
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "VAR_DIR": str(directory),
            "TEST_DATABASE_URL": url,
        }

    def run(self, *arguments: str, settings: str = "tests.settings_postgresql") -> str:
        """Runs Python with these arguments. Returns its standard output. AssertionError where it fails."""
        environment = self._environment | {"DJANGO_SETTINGS_MODULE": settings}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def manage(self, *arguments: str) -> str:
        return self.run("manage.py", *arguments)

    def python(self, script: str) -> str:
        return self.manage("shell", "-v0", "-c", script)

    def column(self, statement: str) -> list[object]:
        """Returns the first column of what the statement gives."""
        return [next(iter(row.values())) for row in database.rows(self.url, statement)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Installed]]:
    """Gives an empty database at each call."""
    directory = tmp_path_factory.mktemp("upgrade")
    names = [f"upgrade_{uuid4().hex[:8]}" for _ in range(3)]
    if request.param == "sqlite":
        yield iter(Installed(f"sqlite:///{directory}/{name}.sqlite3", directory) for name in names).__next__
        return
    postgres: SharedPostgres = request.getfixturevalue("postgres")
    yield iter(Installed(postgres.create_database(name), directory) for name in names).__next__
    for name in names:
        postgres.drop_database(name)


@pytest.fixture(scope="module", params=["", "second-factor"])
def upgraded(request: pytest.FixtureRequest, installed: Callable[[], Installed]) -> Installed:
    """A database of 1.0, or of the last commit before people and accounts were kept apart, after `migrate`."""
    old = installed()
    old.run("-m", "tests.users.version_1_0", request.param, settings="tests.users.settings_1_0")
    assert old.column("SELECT COUNT(*) FROM users_user") == [7]
    old.manage("migrate", "--verbosity", "0")
    return old


@pytest.fixture(scope="module")
def new_schema(installed: Callable[[], Installed]) -> str:
    """What SCHEMA prints of a database that was new."""
    return installed().python(MIGRATE + SCHEMA)


def test_accounts_and_people_are_apart_and_nothing_is_lost(upgraded: Installed) -> None:
    assert upgraded.column("SELECT username FROM users_user ORDER BY id") == ["ann", "bare", "bert", "carla", "former"]
    accounts = "id || username || ' ' || first_name || ' ' || email"
    assert upgraded.column(f"SELECT {accounts} FROM auth_user ORDER BY id") == [
        *("3anna Anna Archer anna@example.com", "4bert  ", "5carla Carla ", "6root  ", "7former  ")
    ]
    assert upgraded.column("SELECT username FROM auth_user WHERE is_staff ORDER BY id") == ["anna", "bert"]
    assert upgraded.column("SELECT username FROM auth_user WHERE is_superuser ORDER BY id") == ["anna", "root"]
    assert str(upgraded.column("SELECT last_login FROM auth_user WHERE id = 3")[0]).startswith("2026-05-04 03:02:01")
    devices = "SELECT username FROM users_device d JOIN users_user u ON u.id = d.user_id ORDER BY d.id"
    assert upgraded.column(devices) == ["ann", "bert"]
    group = "SELECT name FROM auth_group g JOIN auth_user_groups o ON o.group_id = g.id WHERE o.user_id = 4"
    assert upgraded.column(group) == ["Support"]
    right = "SELECT codename FROM auth_permission p JOIN auth_user_user_permissions o ON o.permission_id = p.id"
    assert upgraded.column(f"{right} WHERE o.user_id = 4") == ["view_user"]
    log = """SELECT username || ' ' || app_label || ' ' || object_repr FROM django_admin_log l
        JOIN auth_user u ON u.id = l.user_id JOIN django_content_type t ON t.id = l.content_type_id ORDER BY l.id"""
    assert upgraded.column(log) == ["former users bert", "anna auth root", "anna users ann"]
    second = upgraded.column("SELECT username FROM otp_totp_totpdevice t JOIN auth_user u ON u.id = t.user_id")
    assert second in ([], ["anna"])


def test_staff_log_in_as_before_and_others_do_not(upgraded: Installed) -> None:
    answers = upgraded.python(f"PASSWORDS = {PASSWORDS}{LOGIN}")
    assert answers == "anna 200, bert 200, carla 302, later 8"


def test_the_schema_is_that_of_a_new_database_and_nothing_is_left_to_do(upgraded: Installed, new_schema: str) -> None:
    assert "auth_user_groups" in new_schema
    looked, _, schema = upgraded.python(NOTHING_LEFT + SCHEMA).partition(new_schema.splitlines()[0])
    assert "No migrations to apply" in looked
    assert "no issues" in looked
    assert f"{new_schema.splitlines()[0]}{schema}".splitlines() == new_schema.splitlines()
