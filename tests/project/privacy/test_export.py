"""All about a person as one document: by the command and over HTTP, and never more of it in memory than a page."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications.messages.words import Status
from notifications.models import StaffAction
from project.privacy import export, person
from tests.caller import Api
from tests.notifications.rows import row
from tests.project.privacy import ann

pytestmark = pytest.mark.django_db


def test_it_has_the_person_all_notifications_and_what_staff_did(api: Api) -> None:
    history = ann.live(api)
    others = row(Status.SENT, user="bob", receiver=ann.MAIL)
    answer: Any = api.client.get(f"/users/{ann.NAME}/export", headers=api.headers)
    document = json.loads(b"".join(answer.streaming_content))
    assert (document["version"], document["username"], document["name"]) == (1, ann.NAME, "Ann Archer")
    assert document["devices"] == ann.DEVICES
    choice = {"category": "default", "channel": "SMS", "choice": "off"}
    assert (document["preferences"]["time_zone"], document["preferences"]["choices"]) == ("Europe/Berlin", [choice])
    changed = [(event["what"], event["after"], event["source"]) for event in document["preference_events"]]
    assert changed == [("time zone", "Europe/Berlin", "api"), ("default on SMS", "off", "api")]
    suppressed = {(each["channel"], each["scope"], each["reason"]) for each in document["suppressions"]}
    assert suppressed == {("EMAIL", "", "bounced"), ("SMS", "", "stop")}
    found = {entry["id"]: entry for entry in document["notifications"]}
    assert set(found) == {str(one.id) for one in history.values()}
    assert str(others.id) not in found
    sent = found[str(history["sent"].id)]
    assert (sent["receiver"], sent["message"], sent["attempts"][0]["outcome"]) == (ann.MAIL, ann.TEXT, "transient")
    assert found[str(history["order 17"].id)]["idempotency_key"] == "order 17"
    assert [(each["type"], each["provider"]) for each in sent["receipts"]] == [("delivered", "postmark")]
    assert [(each["type"], each["channel"]) for each in document["receipts"]] == [("stop", "SMS")]
    letters = [entry["dead_letter"]["state"] for entry in found.values() if entry["dead_letter"]]
    assert sorted(letters) == ["discarded", "open", "open", "open", "open", "replaying"]
    reasons = [action["reason"] for entry in found.values() for action in entry["staff_actions"]]
    assert reasons.count(ann.CALLED) >= 2
    assert [action["action"] for action in document["staff_actions"]] == ["put-user", "put-user", "export-user"]
    assert StaffAction.objects.filter(action="export-user", target=f"user {ann.NAME}").count() == 1
    printed = StringIO()
    call_command("export_user", ann.NAME, stdout=printed)
    assert json.loads(printed.getvalue())["notifications"] == document["notifications"]


def test_it_is_made_page_by_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page by a few statements of its own: no cursor, no transaction, and as many pages as there are."""
    monkeypatch.setattr(export, "A_PAGE", 2)
    for number in range(5):
        row(Status.SENT, user="carl", receiver=f"carl{number}@example.com")
    pieces = export.export(person.find("carl"))
    statements = []
    for _ in range(6):  # the head, three pages, and what stands around them
        with CaptureQueriesContext(
            connection,
        ) as captured:
            next(pieces)
        statements.append(len(captured))
    assert max(statements) <= 6
    assert sum(statements) > 10


def test_of_nobody_there_is_nothing(api: Api) -> None:
    assert api.get("/users/nobody/export").status_code == 404
    with pytest.raises(CommandError, match="Nothing is known"):
        call_command("export_user", "nobody", stdout=StringIO())
