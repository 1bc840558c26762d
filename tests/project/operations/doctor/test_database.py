"""Each fault of a real PostgreSQL is made once, and named with its remedy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from harness.services.postgres import ROLE, run_as_superuser
from harness.services.shared import SharedPostgres
from notifications.ledger import partitions
from notifications.messages.ids import first_id_at
from notifications.messages.words import Status
from notifications.models import Notification
from project.database.dialects import fetch
from project.operations.doctor import of_database

CHECKS = ["version", "session", "clock", "migrations", "schema", "rights", "writes", "partitions"]
NEWEST = "SELECT max(id) FROM django_migrations"
FAULTS = [
    ("session", "SET LOCAL default_transaction_isolation = 'repeatable read'", "ours are written for read committed"),
    ("session", "SET LOCAL synchronous_commit = off", "a crash forgets what was accepted"),
    ("session", "SET LOCAL statement_timeout = '5s'", "statement_timeout is 5000 ms"),
    ("migrations", f"DELETE FROM django_migrations WHERE id = ({NEWEST})", "Run: manage.py migrate."),
    (
        "migrations",
        "INSERT INTO django_migrations (app, name, applied) VALUES ('dlq', '0999_of_tomorrow', now())",
        "Applied by a newer version than this one: dlq.0999_of_tomorrow.",
    ),
    ("schema", "DROP INDEX letter_expires", "The index or constraint letter_expires of dlq_deadletter is missing."),
    ("schema", "CREATE INDEX half ON ONLY notifications_notification (client)", "DROP INDEX CONCURRENTLY half"),
    ("writes", "SET TRANSACTION READ ONLY", "let DATABASE_URL lead to the primary"),
]
pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]


def problems(check: str) -> list[str]:
    return list(getattr(of_database, check)())


@pytest.mark.parametrize("check", CHECKS)
def test_a_database_that_is_fine(check: str) -> None:
    assert problems(check) == []


@pytest.mark.parametrize(("check", "fault", "remedy"), FAULTS, ids=[remedy for *_, remedy in FAULTS])
def test_a_fault_is_named_with_its_remedy(check: str, fault: str, remedy: str) -> None:
    fetch(fault)
    (problem,) = problems(check)
    assert remedy in problem


def test_a_clock_that_is_an_hour_ahead() -> None:
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        (problem,) = problems("clock")
    assert problem.startswith("This machine's clock is 3600 s ahead of the database's")


def test_no_partition_for_tomorrow_and_rows_in_the_default_one() -> None:
    for partition in partitions.partitions():
        if partition.until > timezone.now():
            partitions.drop(partition)
    Notification.objects.create(
        id=first_id_at(timezone.now() + timedelta(days=90)), status=Status.SENT, accepted_at=timezone.now()
    )
    none_made, in_default = problems("partitions")
    assert "none was made for what comes then" in none_made
    assert in_default.startswith("1 rows are in the default partition")


@pytest.fixture
def foreign_table(postgres: SharedPostgres, django_db_setup: None) -> Iterator[None]:
    """A table that the role does not own, as after a restore by another one."""
    name = str(connection.settings_dict["NAME"])
    run_as_superuser(postgres.port, "ALTER TABLE dlq_problem OWNER TO postgres", database=name)
    yield
    run_as_superuser(postgres.port, f"ALTER TABLE dlq_problem OWNER TO {ROLE}", database=name)


def test_tables_of_another_role(foreign_table: None) -> None:
    (problem,) = problems("rights")
    assert problem.startswith("Its role does not own dlq_problem, so it cannot make partitions")
