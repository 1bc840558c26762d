"""DELETE /notification/<id>: what is answered, to whom, and what is there afterwards."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from notifications.ledger.pauses.read_only import mode
from notifications.messages.ids import first_id_at
from notifications.messages.words import Status
from notifications.models import Notification
from tests.caller import EMAIL, Api, issue, json_of
from tests.notifications.rows import claim, message, message_of, read, row

NO_UUID7 = "0bf03139-44f5-41cd-9934-981654a496a8"


def in_kafka(ahead: timedelta = timedelta(0)) -> UUID:
    """An id of which there is no row."""
    return UUID(int=first_id_at(timezone.now() + ahead).int | 7 << 76 | 2 << 62 | uuid4().int & (1 << 61) - 1)


def test_cancelled_as_soon_as_it_is_accepted_and_the_second_time_too(api: Api) -> None:
    place = api.post("/notification", EMAIL).headers["Location"]
    for _ in range(2):
        answer = api.delete(place)
        assert (answer.status_code, json_of(answer)) == (200, {"id": place.rpartition("/")[2], "status": "cancelled"})
    shown = json_of(api.get(place))
    assert (shown["status"], shown["reason"], shown["due_at"]) == ("cancelled", "", None)
    assert shown["settled_at"]


def test_one_of_a_batch(api: Api) -> None:
    accepted = json_of(api.post("/notifications", {"notifications": [EMAIL] * 3}))["notifications"]
    assert api.delete(f"/notification/{accepted[1]['id']}").status_code == 200
    assert [read(UUID(each["id"])).status for each in accepted] == [Status.QUEUED, Status.CANCELLED, Status.QUEUED]


def test_while_only_kafka_has_it(api: Api) -> None:
    unclaimed = message()
    assert json_of(api.get(f"/notification/{unclaimed.id}"))["code"] == "not_yet_known"
    assert api.delete(f"/notification/{unclaimed.id}").status_code == 200
    for shown in (json_of(api.get(f"/notification/{unclaimed.id}")), json_of(api.get("/notifications"))["results"][0]):
        assert (shown["status"], shown["type"], shown["receiver"]) == ("cancelled", None, "")
    assert claim(unclaimed) == []
    assert json_of(api.get(f"/notification/{unclaimed.id}"))["type"] == "EMAIL"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (Status.SENDING, "It is too late: it is being sent."),
        (Status.SENT, "It is too late: it has ended, and is sent."),
        (Status.DEAD, "It is too late: it has ended, and is dead."),
    ],
)
def test_too_late(api: Api, status: Status, why: str) -> None:
    begun = row(status, settled_at=timezone.now())
    answer = api.delete(f"/notification/{begun.id}")
    assert (answer.status_code, json_of(answer)) == (409, {"detail": why, "code": "too_late", "status": status.value})


def test_too_late_for_what_may_have_arrived(api: Api) -> None:
    tried = row(Status.WAITING, due_at=timezone.now(), reason="uncertain", uncertain_count=1)
    answer = json_of(api.delete(f"/notification/{tried.id}"))
    assert (answer["code"], answer["status"]) == ("too_late", "waiting")
    assert "may have arrived" in answer["detail"]


@pytest.mark.parametrize("id", ["x", "0", NO_UUID7, f"{NO_UUID7}0", "00000000-0000-0000-0000-000000000000"])
def test_what_is_no_id_of_ours_is_not_found(api: Api, id: str) -> None:
    answer = api.delete(f"/notification/{id}")
    assert (answer.status_code, json_of(answer)["code"]) == (404, "not_found")
    assert not Notification.objects.exists()


def test_another_clients_is_not_found(api: Api) -> None:
    theirs = row(client="bank")
    answer = api.delete(f"/notification/{theirs.id}")
    assert (answer.status_code, json_of(answer)["code"]) == (404, "not_yet_known")
    assert json_of(api.get(f"/notification/{theirs.id}"))["code"] == "not_yet_known"
    assert read(theirs.id).status == Status.QUEUED


def test_no_row_is_made_of_a_time_that_is_gone_or_to_come(api: Api, settings: Settings) -> None:
    old, ahead = in_kafka(timedelta(days=-91)), in_kafka(timedelta(minutes=6))
    assert "removed 90 days after" in json_of(api.delete(f"/notification/{old}"))["detail"]
    assert json_of(api.delete(f"/notification/{ahead}"))["code"] == "not_yet_known"
    assert json_of(api.delete("/notification/ffffffff-ffff-7fff-bfff-ffffffffffff"))["code"] == "not_yet_known"
    assert not Notification.objects.exists()
    assert api.delete(f"/notification/{in_kafka(timedelta(minutes=4))}").status_code == 200
    settings.RETENTION_DAYS = 0
    assert api.delete(f"/notification/{old}").status_code == 200


def test_it_takes_the_scope_send(keys_required: None, db: None) -> None:
    queued = row()
    assert Api(issue("read", "users")).delete(f"/notification/{queued.id}").status_code == 403
    assert Api(issue("send")).delete(f"/notification/{queued.id}").status_code == 200
    assert Api().delete(f"/notification/{queued.id}").status_code == 401


def test_a_repetition_with_its_key_is_the_same_cancelled_one(api: Api) -> None:
    first = json_of(api.post("/notification", EMAIL, Idempotency_Key="k"))
    api.delete(f"/notification/{first['id']}")
    assert json_of(api.post("/notification", EMAIL, Idempotency_Key="k")) == first
    assert [each.status for each in Notification.objects.all()] == [Status.CANCELLED]


def test_a_repetition_while_only_kafka_has_it_publishes_nothing_more(api: Api) -> None:
    first = json_of(api.post("/notification", EMAIL, Idempotency_Key="k"))
    record = message_of(read(UUID(first["id"])))
    Notification.objects.all().delete()
    api.delete(f"/notification/{first['id']}")
    assert json_of(api.post("/notification", EMAIL, Idempotency_Key="k")) == first
    assert claim(record) == []
    assert Notification.objects.get().status == Status.CANCELLED


def test_nothing_is_cancelled_while_the_platform_is_read_only(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop:
        @staticmethod
        def left() -> float:
            return 9.0

    queued = row()
    monkeypatch.setattr(mode, "in_force", lambda: Stop)
    answer = api.delete(f"/notification/{queued.id}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "9")
    assert read(queued.id).status == Status.QUEUED
