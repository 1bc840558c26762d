"""Health, metrics, the description and its page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from notifications.brokers.ledger_queue import EmbeddedBroker
from notifications.models import Notification
from project.operations import health, writing
from tests.caller import EMAIL, Api, issue, json_of


def test_health_needs_no_key(db: None, keys_required: None) -> None:
    assert json_of(Api().get("/health/live"))["status"] == "live"
    ready = Api().get("/health/ready")
    assert (ready.status_code, json_of(ready)) == (200, {"status": "ready"})


def test_live_needs_no_database(keys_required: None) -> None:
    assert Api().get("/health/live").status_code == 200  # pytest-django refuses it one here


def test_unapplied_migrations_are_named(db: None) -> None:
    MigrationRecorder(connection).record_unapplied("sessions", "0001_initial")
    answer = Api().get("/health/ready")
    assert answer.status_code == 503
    assert "sessions.0001_initial" in json_of(answer)["missing"]["migrations"]


def test_database_down_is_named(db: None) -> None:
    with patch.object(MigrationRecorder, "applied_migrations", side_effect=OperationalError("no route")):
        answer = Api().get("/health/ready")
    assert (answer.status_code, list(json_of(answer)["missing"])) == (503, ["database"])


def test_a_full_disk_is_named(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "writing", writing.Writing())
    with full_disk():
        answer = Api().get("/health/ready")
    assert (answer.status_code, json_of(answer)["missing"]) == (503, {"database": "Its disk is full."})
    assert Api().get("/health/ready").status_code == 200


# SQLite may not grow; PostgreSQL answers what it does when it cannot.
FULL = {
    "sqlite": ["VACUUM", "PRAGMA max_page_count = 1"],  # other tests leave free pages behind
    "postgresql": [
        """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
           $$ BEGIN RAISE 'no space left' USING ERRCODE = '53100'; END $$""",
        "CREATE TRIGGER full_disk BEFORE INSERT ON notifications_notification EXECUTE FUNCTION full_disk()",
    ],
}
NOT_FULL = {
    "sqlite": ["PRAGMA max_page_count = 1073741823"],
    "postgresql": ["DROP FUNCTION full_disk CASCADE"],
}


@contextmanager
def full_disk() -> Iterator[None]:
    with connection.cursor() as cursor:
        for statement in FULL[connection.vendor]:
            cursor.execute(statement)
        try:
            yield
        finally:
            for statement in NOT_FULL[connection.vendor]:
                cursor.execute(statement)


def test_ready_leaves_nothing_behind_and_writes_once_a_second_at_most(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "writing", writing.Writing())
    with patch.object(writing, "PROBE_EVERY", 3600.0), CaptureQueriesContext(connection) as asked:
        for _ in range(3):
            assert Api().get("/health/ready").status_code == 200
    assert len([query for query in asked if query["sql"].startswith("INSERT")]) == 1
    assert Notification.objects.count() == 0


def test_broker_down_is_named(db: None) -> None:
    with patch.object(EmbeddedBroker, "problem", return_value="Kafka does not answer."):
        answer = Api().get("/health/ready")
    assert (answer.status_code, json_of(answer)["missing"]) == (503, {"broker": "Kafka does not answer."})


def test_metrics_count_what_was_accepted(api: Api) -> None:
    def accepted() -> float:
        lines = api.get("/metrics").content.decode().splitlines()
        found = [line for line in lines if line.startswith('notifications_accepted_total{channel="EMAIL"}')]
        return float(found[0].split()[1]) if found else 0.0

    before = accepted()
    api.post("/notifications", {"notifications": [EMAIL] * 3})
    assert accepted() == before + 3


def test_metrics_need_their_scope(db: None, keys_required: None) -> None:
    assert Api().get("/metrics").status_code == 401
    assert Api(issue("send", "read", "users")).get("/metrics").status_code == 403
    answer = Api(issue("metrics")).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_page_and_its_assets_come_from_here(api: Api) -> None:
    page = api.get("/docs").content.decode()
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in page
    assert "http://" not in page.replace("http://testserver", "")
    assert "https://" not in page


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [("/docs/", "/docs"), ("/schema/", "/schema"), ("/favicon.ico", "/static/desk/favicon.svg")],
)
def test_what_people_and_browsers_try_leads_somewhere(path: str, leads_to: str) -> None:
    answer = Api().get(path)
    assert (answer.status_code, answer.headers["Location"]) == (302, leads_to)
    assert Api().post(path, {}).status_code == 405


@pytest.mark.parametrize("path", ["/schema", "/docs"])
def test_description_is_for_those_with_a_key_and_for_staff(db: None, keys_required: None, path: str) -> None:
    answer = Api().get(path)
    assert (answer.status_code, json_of(answer)["code"]) == (401, "not_authenticated")
    assert Api(issue("metrics")).get(path).status_code == 200
    browser = Client()
    browser.force_login(User.objects.create_user("visitor"))
    assert browser.get(path).status_code == 401
    browser.force_login(User.objects.create_user("agent", is_staff=True))
    assert browser.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/notifications", "/users", "/metrics"])
def test_staff_session_opens_nothing_else(db: None, keys_required: None, path: str) -> None:
    browser = Client()
    browser.force_login(User.objects.create_user("agent", is_staff=True))
    assert browser.get(path).status_code == 401


def test_embedded_default_shows_the_page_to_this_machine(db: None, settings: Settings) -> None:
    settings.API_KEYS_REQUIRED = False
    assert Api().get("/docs").status_code == 200
