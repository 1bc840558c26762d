"""Makes a database as version 1.0 left it: `python -m tests.users.version_1_0 [second-factor]`.

It is a process of its own because migrations read AUTH_USER_MODEL when they are imported, and up to 1.0 that was
users.User. Tables are made by the same migrations as then, and rows are written by the models of those migrations.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Any

import django
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

VERSION_1_0 = [
    ("contenttypes", "0002_remove_content_type_name"),
    ("auth", "0012_alter_user_first_name_max_length"),
    ("admin", "0003_logentry_add_action_flag_choices"),
    ("sessions", "0001_initial"),
    ("users", "0001_initial"),
    ("notifications", "0002_default_category"),
    ("dlq", "0001_initial"),
]
SECOND_FACTOR = [("users", "0002_limits_of_api_keys"), ("otp_totp", "0003_add_timestamps")]
PASSWORDS = {"anna": "annas-password-1", "bert": "berts-password-1", "carla": "carlas-password-1"}
NONE = "!nobody-logs-in-with-this"


def main(targets: list[tuple[str, str]]) -> None:
    MigrationExecutor(connection).migrate(targets)
    _fill(MigrationExecutor(connection).loader.project_state(targets).apps)


def _fill(apps: Any) -> None:
    """Writes rows of everybody there could be; their primary keys are in the order of the lines."""
    from django.contrib.auth.hashers import make_password

    user, device = apps.get_model("users", "User"), apps.get_model("users", "Device")
    passwords = {name: make_password(password) for name, password in PASSWORDS.items()}
    when = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    people = {
        "ann": user.objects.create(username="ann", name="Ann", password=NONE),
        "bare": user.objects.create(username="bare", password=NONE),
        "anna": user.objects.create(
            username="anna", name="Anna Archer", email="anna@example.com", is_staff=True, is_superuser=True,
            last_login=when, date_joined=when, password=passwords["anna"],
        ),
        "bert": user.objects.create(username="bert", is_staff=True, password=passwords["bert"]),
        "carla": user.objects.create(username="carla", first_name="Carla", password=passwords["carla"]),
        "root": user.objects.create(username="root", is_superuser=True, password=NONE),
        "former": user.objects.create(username="former", password=NONE),
    }  # fmt: skip
    for name, address in (("ann", "ann@example.com"), ("bert", "bert@example.com")):
        device.objects.create(user=people[name], channel="EMAIL", address=address)
    _give_rights(apps, people)
    _log(apps, people)


def _give_rights(apps: Any, people: dict[str, Any]) -> None:
    kind = apps.get_model("contenttypes", "ContentType").objects.create(app_label="users", model="user")
    right = apps.get_model("auth", "Permission").objects.create(codename="view_user", name="x", content_type=kind)
    group = apps.get_model("auth", "Group").objects.create(name="Support")
    people["bert"].groups.add(group)
    people["bert"].user_permissions.add(right)
    if "otp_totp" in {model._meta.app_label for model in apps.get_models()}:
        apps.get_model("otp_totp", "TOTPDevice").objects.create(user=people["anna"], name="Authenticator")


def _log(apps: Any, people: dict[str, Any]) -> None:
    """Writes what the admin noted: `former`, who was staff once, changed bert, and anna changed root and ann."""
    kind = apps.get_model("contenttypes", "ContentType").objects.get(app_label="users", model="user")
    log = apps.get_model("admin", "LogEntry").objects
    for who, whom in (("former", "bert"), ("anna", "root"), ("anna", "ann")):
        changed = str(people[whom].pk)
        log.create(user=people[who], content_type=kind, object_id=changed, object_repr=whom, action_flag=2)


if __name__ == "__main__":
    django.setup()
    main(VERSION_1_0 + SECOND_FACTOR * ("second-factor" in sys.argv))
