"""What a key may use up, in requests a minute and in a day, and the channels it may send on; over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from notifications.models import IdempotencyKey, Notification
from tests.caller import EMAIL, Api, json_of, stored
from tests.notifications.rows import in_threads
from users.access.limits import OverLimit, requests_of
from users.access.models import SCOPES, ApiKey, KeyUsage
from users.people.models import Device, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("keys_required")]
SMS = {"type": "SMS", "receiver": "+4915112345678", "message": "Hello"}


def limited(*, scopes: tuple[str, ...] = SCOPES, **limits: Any) -> Api:
    return Api(ApiKey.issue(name="n", client="shop", scopes=list(scopes), **limits)[1])


def batch(*items: dict[str, Any]) -> dict[str, Any]:
    return {"notifications": list(items)}


def pass_time(**span: int) -> None:
    for usage in KeyUsage.objects.all():
        usage.since -= timedelta(**span)
        usage.save()


def assert_over(answer: Any, kind: str, most: int, seconds: int) -> None:
    assert (answer.status_code, json_of(answer)["code"]) == (429, "over_limit")
    wait = int(answer.headers["Retry-After"])
    assert seconds - 30 <= wait <= seconds
    assert answer.headers["RateLimit-Policy"] == f'"{kind}";q={most};w={seconds}'
    assert answer.headers["RateLimit"] == f'"{kind}";r=0;t={wait}'


def test_requests_a_minute_of_whatever_kind() -> None:
    api = limited(per_minute=4)
    other = limited(per_minute=4)
    answers = [
        api.post("/notification", EMAIL),
        api.post("/notifications", batch(EMAIL, EMAIL, EMAIL)),
        api.get("/notifications"),
        api.put("/users/ann", {"devices": "wrong"}),
    ]
    assert [answer.status_code for answer in answers] == [202, 202, 200, 400]
    for answer in (api.post("/notification", EMAIL), api.get("/users"), api.get("/metrics")):
        assert_over(answer, "requests", 4, 60)
    assert Notification.objects.count() == 4
    assert other.get("/notifications").status_code == 200
    pass_time(seconds=61)
    assert [api.get("/notifications").status_code for _ in range(5)] == [200, 200, 200, 200, 429]


def test_texts_a_day_however_they_are_addressed() -> None:
    api = limited(texts_a_day=3)
    Device.objects.create(user=User.objects.create(username="ann"), channel="SMS", address=SMS["receiver"])
    assert api.post("/notification", SMS).status_code == 202
    assert_over(api.post("/notifications", batch(EMAIL, SMS, SMS, SMS | {"idempotency_key": "k"})), "texts", 3, 86_400)
    assert (Notification.objects.count(), IdempotencyKey.objects.count()) == (1, 0)
    assert api.post("/notifications", batch(EMAIL, SMS, {"user": "ann", "message": "Hello"})).status_code == 202
    assert_over(api.post("/notification", {"user": "ann", "message": "Hello"}), "texts", 3, 86_400)
    assert api.post("/notification", EMAIL).status_code == 202
    pass_time(hours=23)
    assert api.post("/notification", SMS).status_code == 429
    pass_time(hours=1, seconds=1)
    assert api.post("/notification", SMS).status_code == 202


def test_notifications_a_day_and_of_two_limits_neither_counts_what_the_other_refuses() -> None:
    api = limited(notifications_a_day=4, texts_a_day=1)
    assert_over(api.post("/notifications", batch(EMAIL, SMS, SMS)), "texts", 1, 86_400)
    assert_over(api.post("/notifications", batch(*[EMAIL] * 5)), "notifications", 4, 86_400)
    for _ in range(2):  # a repetition counts once
        assert api.post("/notification", EMAIL, Idempotency_Key="k").status_code == 202
    assert api.post("/notifications", batch(EMAIL, SMS, EMAIL)).status_code == 202
    assert_over(api.post("/notification", EMAIL), "notifications", 4, 86_400)
    assert Notification.objects.count() == 4
    pass_time(days=1, seconds=1)
    assert api.post("/notification", EMAIL).status_code == 202


def test_what_is_refused_or_repeated_costs_no_text() -> None:
    api = limited(texts_a_day=1)
    assert api.post("/notifications", batch(SMS, SMS | {"expires_at": "2020-01-01T00:00:00Z"})).status_code == 400
    assert_over(api.post("/notifications", batch(SMS, SMS)), "texts", 1, 86_400)
    assert api.post("/notification", SMS, Idempotency_Key="k").status_code == 202
    assert api.post("/notification", SMS, Idempotency_Key="k").status_code == 202
    Notification.objects.all().delete()  # as if its record were still in Kafka: it is published again
    assert api.post("/notification", SMS, Idempotency_Key="k").status_code == 202
    assert_over(api.post("/notification", SMS, Idempotency_Key="another"), "texts", 1, 86_400)
    assert Notification.objects.count() == 1


def test_a_lower_limit_counts_what_was_used_before() -> None:
    api = limited(per_minute=10)
    for _ in range(5):
        api.get("/notifications")
    key = ApiKey.objects.get()
    key.per_minute = 5
    key.save()
    assert_over(api.get("/notifications"), "requests", 5, 60)


@pytest.mark.django_db(transaction=True)
def test_a_limit_holds_for_all_who_count_at_once() -> None:
    limit = requests_of(ApiKey.issue(name="n", client="shop", scopes=["send"], per_minute=20)[0])
    assert limit

    def spend() -> int:
        taken = 0
        with suppress(OverLimit):
            for _ in range(10):
                limit.spend()
                taken += 1
        return taken

    assert sum(in_threads(*[spend] * 4)) == 20


def test_channels() -> None:
    api = limited(channels=["EMAIL"])
    assert api.post("/notification", EMAIL).status_code == 202
    for answer in (api.post("/notification", SMS), api.post("/notifications", batch(EMAIL, SMS))):
        assert (answer.status_code, json_of(answer)["code"]) == (403, "permission_denied")
        assert "SMS" in json_of(answer)["detail"]
    assert Notification.objects.count() == 1


def test_a_user_is_reached_on_a_channel_of_the_key_or_not_at_all() -> None:
    ann, bob = User.objects.create(username="ann"), User.objects.create(username="bob")
    Device.objects.create(user=bob, channel="SMS", address="+4915112345679")
    Device.objects.create(user=ann, channel="SMS", address="+4915112345678", position=0)
    Device.objects.create(user=ann, channel="EMAIL", address="ann@example.com", position=1)
    api = limited(channels=["EMAIL", "SLACK"])
    assert api.post("/notification", {"user": "ann", "message": "Hello"}).status_code == 202
    assert Notification.objects.get().channel == "EMAIL"
    assert api.post("/notification", {"user": "ann", "type": "SMS", "message": "Hello"}).status_code == 403
    assert api.post("/notification", {"user": "bob", "message": "Hello"}).status_code == 400


@contextmanager
def nothing_can_be_counted() -> Iterator[None]:
    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "users_keyusage" in sql:
            raise OperationalError("down")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


@pytest.mark.parametrize("limits", [{"per_minute": 5}, {"notifications_a_day": 5}, {"texts_a_day": 5}])
def test_a_limit_that_cannot_be_counted_lets_nothing_through(limits: dict[str, Any]) -> None:
    api = limited(**limits)
    with nothing_can_be_counted():
        answer = api.post("/notification", SMS)
    assert (answer.status_code, json_of(answer)["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "Notification" not in stored()


def test_limits_cost_one_statement_and_none_where_there_are_none() -> None:
    def statements(api: Api) -> int:
        api.post("/notification", EMAIL)
        with CaptureQueriesContext(connection) as queries:
            api.post("/notification", EMAIL)
        return len(queries)

    free = statements(limited())
    assert statements(limited(per_minute=5)) == free + 1
    assert statements(limited(texts_a_day=5)) == free
