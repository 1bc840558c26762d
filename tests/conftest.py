"""What every test may ask for: the real PostgreSQL and Kafka, a platform of real processes, the database.

A test that touches the database is marked by itself: with django_db, or by a fixture that opens it. `make test`
runs it twice, on SQLite and on PostgreSQL, except where it is marked `sqlite` or `postgresql`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from _pytest.nodeid import NodeId
from django.conf import settings
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from harness.platform import Platform
from harness.services import shared
from harness.services.shared import SharedKafka, SharedPostgres
from notifications.intake.categories import known
from notifications.intake.suppressed import addresses
from notifications.ledger.minutes import minutes
from notifications.ledger.pauses.in_force import Pauses
from notifications.ledger.pauses.read_only import mode
from notifications.messages.words import Status, listed
from project.database.dialects import fetch
from project.logs.writer import writer
from tests.caller import api, keys_required
from tests.desk import administrator, agent, anna, supervisor, support, viewer

__all__ = ["administrator", "agent", "anna", "api", "keys_required", "supervisor", "support", "viewer"]  # fixtures
SERVICES = {"postgres", "kafka", "embedded"}
OPENS_DATABASE = {"db", "transactional_db", "django_db_setup", "admin_client", "admin_user", "live_server"}
# No deadline and no complaint about slow examples: the machine is shared. No database of examples: it would be a
# directory in the checkout.
hypothesis_settings.register_profile(
    "here", deadline=None, database=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("here")
owns_run = pytest.StashKey[bool]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.stash[owns_run] = shared.open_run()
    settings.WHITENOISE_AUTOREFRESH = True  # else each new client lists all files of all apps first
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # the real one is slow on purpose
    writer._file = os.open(os.devnull, os.O_WRONLY)  # what is logged in these processes is looked at as records


def pytest_unconfigure(config: pytest.Config) -> None:
    if config.stash.get(owns_run, False):
        shared.close_run()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    mark(config, items)  # before pytest looks at -m
    group(items)
    yield
    keep_groups(items)  # after xdist has named them
    items.sort(key=is_short)  # after pytest-django has put those without a database last


def mark(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what touches the database; leave out what is meant for another database than this run's."""
    on_postgresql = settings.DATABASES["default"]["ENGINE"].endswith("postgresql")
    other = "sqlite" if on_postgresql else "postgresql"
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        marked = item.get_closest_marker("django_db") or item.get_closest_marker("postgresql")
        if marked or fixtures & OPENS_DATABASE:
            item.add_marker(pytest.mark.database)
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.sqlite)  # a page looks the same on both
    left_out = [item for item in items if item.get_closest_marker(other)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker(other)]


def group(items: list[pytest.Item]) -> None:
    """Keeps the tests of a module that share one of its fixtures on one worker, else each would start its own."""
    for item in items:
        if isinstance(item, pytest.Function) and not item.get_closest_marker("xdist_group"):
            fixtures = [fixture for each in item._fixtureinfo.name2fixturedefs.values() for fixture in each]
            if any(fixture.scope == "module" and fixture.baseid.startswith("tests/") for fixture in fixtures):
                item.add_marker(pytest.mark.xdist_group(item.module.__name__))


def keep_groups(items: list[pytest.Item]) -> None:
    """Gives each test the id in which xdist has noted its group, else both workers would start a group's services.

    xdist 3.8 writes it into a field that pytest 9.2 does not read any more (pytest-dev/pytest-xdist#1386).
    """
    for item in items:
        if with_group := vars(item).get("_nodeid"):
            item._id = NodeId.parse(with_group)


def is_short(item: pytest.Item) -> bool:
    """Returns False for what starts a platform: begun last, one of them would keep the run waiting for it alone."""
    return bool(item.get_closest_marker("database")) or not SERVICES.intersection(getattr(item, "fixturenames", ()))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds the output of the platform's processes to the report of a failure."""
    report = yield
    if report.failed:
        platforms = {
            id(value): value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Platform)
        }
        for platform in platforms.values():
            report.sections.extend(platform.logs())
    return report


@pytest.fixture(autouse=True)
def _nothing_is_paused() -> None:
    """The web has just read that the platform is not read-only: another test's mode and the look itself are away."""
    mode._pauses, mode._next_read = Pauses(), math.inf


@pytest.fixture(autouse=True)
def _no_address_is_known_as_suppressed() -> None:
    """The web has just read that none is, for the same reason."""
    addresses.forget()
    addresses._next_read = math.inf


@pytest.fixture(autouse=True)
def _no_category_is_known() -> None:
    """The web knows those of the database that a test has made, and not those of the test before."""
    known.forget()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """SQLite's test database is a file: in memory it has other locks than the embedded default."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """PostgreSQL refuses a row that is not listed as its status says, whichever statement under test writes it.

    Production has no such constraint: senders of an older version go on while it is upgraded.
    """
    right = " OR ".join(
        f"(status, owner IS NOT NULL, coalesce(listed, ''))"
        f" = ('{status}', {leased}, '{listed(status, leased=leased) or ''}')"
        for status in Status
        for leased in (True, False)
    )
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            fetch(f"ALTER TABLE notifications_notification ADD CONSTRAINT listed_as_its_status_says CHECK ({right})")


@pytest.fixture(autouse=True)
def no_counts() -> None:
    """Each test begins with nothing counted, and no thread writes beside it."""
    minutes.begin()


@pytest.fixture(scope="session")
def postgres() -> SharedPostgres:
    """The test run's PostgreSQL. To stop it, start your own: harness.services.postgres.Postgres."""
    return shared.shared_postgres()


@pytest.fixture(scope="session")
def kafka() -> SharedKafka:
    """The test run's broker. To stop it, start your own: harness.services.kafka.Kafka."""
    return shared.shared_kafka()


@pytest.fixture
def embedded(tmp_path: Path) -> Iterator[Platform]:
    """The platform of `make run`: SQLite, embedded queue, sandbox; nothing is started yet."""
    with Platform.embedded(tmp_path) as platform:
        yield platform


@pytest.fixture
def platform(tmp_path: Path, postgres: SharedPostgres, kafka: SharedKafka) -> Iterator[Platform]:
    """The platform on PostgreSQL and Kafka, with a database and topics of its own; nothing is started yet."""
    with Platform.on_services(tmp_path, postgres, kafka) as platform:
        yield platform
