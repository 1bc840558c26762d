"""Where notifications stand: one, and lists of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from notifications.messages.ids import first_id_at, receiver_hash, receiver_hashes
from notifications.messages.words import Status, listed
from notifications.models import Attempt, IdempotencyKey, Notification
from project.web.paging import NewestFirst
from tests.caller import EMAIL, Api, issue, json_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def row(second: int = 0, **fields: Any) -> Notification:
    """A row of the ledger, accepted so many seconds after START."""
    moment = START + timedelta(seconds=second)
    channel, receiver = fields.get("channel", "EMAIL"), fields.get("receiver", "ann@example.com")
    standard = {
        "id": UUID(int=first_id_at(moment).int | 7 << 76 | 2 << 62 | uuid4().int & (1 << 61) - 1),
        "client": "shop",
        "channel": channel,
        "receiver": receiver,
        "receiver_hash": receiver_hash(channel, receiver),
        "message": "Hello",
        "status": "sent",
        "accepted_at": moment,
    }
    given = standard | fields
    return Notification.objects.create(listed=listed(Status(given["status"])), **given)


def ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [item["id"] for item in json_of(answer)["results"]]


def test_rows_of_1_0_and_of_a_former_key_are_found_by_receiver(api: Api, settings: Settings) -> None:
    now, former, first = row(3), row(2), row(1, receiver_hash=receiver_hashes("EMAIL", "ann@example.com")[-1])
    assert first.receiver_hash != former.receiver_hash
    settings.HASH_KEYS = (b"new", *settings.HASH_KEYS)
    assert ids(api.get("/notifications", receiver="ann@example.com")) == [str(one.pk) for one in (now, former, first)]


def test_one_with_its_attempts(api: Api, settings: Settings) -> None:
    settings.TIME_ZONE = "Asia/Kolkata"  # of the admin; the API speaks UTC
    tried = row(
        status="waiting", reason="retry", attempts=2, claims=2, due_at=START, last_cause="timeout", last_error="slow",
        user="ann", reference="r-1", category="orders", priority="bulk",
    )  # fmt: skip
    for number in (2, 1):
        Attempt.objects.create(
            notification=tried,
            generation=0,
            number=number,
            at=START,
            outcome="transient",
            cause="timeout",
            error="slow",
        )
    answer = api.get(f"/notification/{tried.id}")
    assert answer.status_code == 200
    shown = json_of(answer)
    assert shown | {"attempts": None} == {
        "id": str(tried.id), "type": "EMAIL", "status": "waiting", "reason": "retry", "receiver": "ann@example.com",
        "user": "ann", "reference": "r-1", "category": "orders", "priority": "bulk", "generation": 0,
        "attempts_spent": 2, "uncertain_count": 0, "due_at": "2026-03-01T12:00:00Z", "last_cause": "timeout",
        "last_error": "slow", "provider": "", "provider_message_id": "", "accepted_at": "2026-03-01T12:00:00Z",
        "send_at": None, "expires_at": None, "settled_at": None, "trace_id": "", "texts_removed": False,
        "decision": None, "attempts": None, "delivery": None,
    }  # fmt: skip
    assert [attempt["number"] for attempt in shown["attempts"]] == [1, 2]
    assert shown["attempts"][0] == {
        "generation": 0, "number": 1, "at": "2026-03-01T12:00:00Z", "outcome": "transient", "cause": "timeout",
        "error": "slow", "milliseconds": None,
    }  # fmt: skip


def test_what_keeps_one_back_is_said_with_its_rule(api: Api) -> None:
    waits = row(1, status="waiting", reason="paused", due_at=START)
    unwanted = row(2, status="suppressed", reason="choice")
    bounced = row(3, status="suppressed", reason="bounced")
    retried = row(4, status="waiting", reason="retry", due_at=START)
    shown = [json_of(api.get(f"/notification/{one.pk}"))["decision"] for one in (waits, unwanted, bounced, retried)]
    assert shown == [
        {"rule": "paused", "why": "The person has paused everything.", "until": "2026-03-01T12:00:00Z"},
        {"rule": "choice", "why": "The person has switched it off.", "until": None},
        {"rule": "suppressed", "why": "Mail to this address has come back for good.", "until": None},
        None,
    ]


def test_latest_attempts_of_very_many(api: Api) -> None:
    tried = row()
    Attempt.objects.bulk_create(
        Attempt(notification=tried, generation=0, number=n, at=START, outcome="throttled", cause="throttled")
        for n in range(150)
    )
    shown = json_of(api.get(f"/notification/{tried.id}"))["attempts"]
    assert [attempt["number"] for attempt in shown] == list(range(50, 150))


def test_what_was_just_accepted_is_shown(api: Api) -> None:
    accepted = json_of(api.post("/notification", EMAIL))
    assert json_of(api.get(f"/notification/{accepted['id']}"))["receiver"] == "ann@example.com"


def test_a_removed_text_is_said_to_be_removed(api: Api) -> None:
    removed = row(status="sent", settled_at=START, user="ann")
    Notification.objects.filter(id=removed.id).update(receiver="", message="", html="", subject="")
    shown = json_of(api.get(f"/notification/{removed.id}"))
    assert (shown["receiver"], shown["texts_removed"]) == ("", True)
    assert json_of(api.get("/notifications"))["results"][0]["texts_removed"]


def test_what_is_older_than_retention_keeps_says_so(api: Api, settings: Settings) -> None:
    old = UUID(int=first_id_at(timezone.now() - timedelta(days=91)).int | 7 << 76 | 2 << 62)
    answer = api.get(f"/notification/{old}")
    assert (answer.status_code, json_of(answer)["code"]) == (404, "not_found")
    assert "removed 90 days after it was accepted" in json_of(answer)["detail"]
    settings.RETENTION_DAYS = 0
    assert json_of(api.get(f"/notification/{old}"))["code"] == "not_yet_known"


def test_not_yet_known(api: Api) -> None:
    unclaimed = UUID(int=first_id_at(timezone.now()).int | 7 << 76 | 2 << 62)
    answer = api.get(f"/notification/{unclaimed}")
    assert (answer.status_code, json_of(answer)["code"]) == (404, "not_yet_known")


@pytest.mark.parametrize("id", ["f0000000-0000-7000-8000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"])
def test_an_id_of_after_the_last_year_is_not_yet_known(api: Api, id: str) -> None:
    answer = api.get(f"/notification/{id}")
    assert (answer.status_code, json_of(answer)["code"]) == (404, "not_yet_known")


def test_one_sent_with_a_key_is_known_at_once(api: Api) -> None:
    """Here its record is still in Kafka: there is a key, and no row."""
    id = UUID(json_of(api.post("/notification", EMAIL, Idempotency_Key="k"))["id"])
    Notification.objects.all().delete()
    assert IdempotencyKey.objects.filter(notification_id=id).exists()
    answer = api.get(f"/notification/{id}")
    assert answer.status_code == 200
    assert (json_of(answer)["id"], json_of(answer)["status"], json_of(answer)["type"]) == (str(id), "accepted", None)
    assert json_of(answer)["attempts"] == []
    assert Api(issue(client="bank")).get(f"/notification/{id}").status_code == 404


@pytest.mark.parametrize(
    "id",
    ["x", "0", "%00", "..", "%F0%9F%92%A9", "x" * 5000, "019a3c5e7b1f7cc29d0e3f5a6b7c8d9e", "null",
     "%7B019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e%7D", "019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e%0A",
     "6f1c6a0e-2a4f-4d0e-9f7e-0f0d3b1a2c3d", "00000000-0000-0000-0000-000000000000"],
)  # fmt: skip
def test_malformed_id(api: Api, id: str) -> None:
    answer = api.get(f"/notification/{id}")
    assert (answer.status_code, json_of(answer)["code"]) == (404, "not_found")


def test_clients_see_their_own(api: Api) -> None:
    theirs, ours = row(client="bank"), row(client="shop")
    assert json_of(api.get(f"/notification/{theirs.id}"))["code"] == "not_found"
    assert ids(api.get("/notifications")) == [str(ours.id)]
    assert ids(Api(issue("read", client="bank")).get("/notifications")) == [str(theirs.id)]


def test_webhook_is_masked(api: Api) -> None:
    hook = "https://hooks.slack.com/services/T0/B0/secret"
    shown = json_of(api.get(f"/notification/{row(channel='SLACK', receiver=hook).id}"))
    assert "secret" not in shown["receiver"]
    assert "secret" not in api.get("/notifications").content.decode()


def test_reading_needs_its_scope(db: None, keys_required: None) -> None:
    for path in ("/notifications", f"/notification/{row().id}"):
        assert Api(issue("send", "users", "metrics")).get(path).status_code == 403
        assert Api(issue("read")).get(path).status_code == 200
        assert Api().get(path).status_code == 401


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, [5, 4, 3, 2, 1, 0]),
        ({"receiver": "bob@example.com"}, [2, 1]),
        ({"receiver": "bob@EXAMPLE.com"}, [2, 1]),
        ({"receiver": "bob@example.co"}, []),
        ({"receiver": "+4915112345678"}, [3]),
        ({"receiver": "nonsense"}, []),
        ({"user": "ann"}, [4, 1]),
        ({"user": "an"}, []),
        ({"reference": "r"}, [4]),
        ({"status": "dead"}, [5, 2]),
        ({"type": "SMS"}, [3]),
        ({"since": "2026-03-01T12:00:03Z"}, [5, 4, 3]),
        ({"until": "2026-03-01T12:00:03Z"}, [2, 1, 0]),
        ({"since": "2026-03-01T17:30:01+05:30", "until": "2026-03-01T12:00:03Z"}, [2, 1]),
        ({"receiver": "bob@example.com", "status": "dead", "type": "EMAIL"}, [2]),
        ({"receiver": "bob@example.com", "type": "SMS"}, []),
    ],
)
def test_filters(api: Api, query: dict[str, str], expected: list[int]) -> None:
    fields: list[dict[str, Any]] = [
        {},
        {"receiver": "bob@example.com", "user": "ann"},
        {"receiver": "bob@example.com", "status": "dead"},
        {"channel": "SMS", "receiver": "+4915112345678"},
        {"user": "ann", "reference": "r"},
        {"status": "dead"},
    ]
    rows = [row(second, **values) for second, values in enumerate(fields)]
    assert ids(api.get("/notifications", **query)) == [str(rows[number].id) for number in expected]


def test_since_and_until_at_the_millisecond(api: Api) -> None:
    exact = str(row().id)
    assert ids(api.get("/notifications", since="2026-03-01T12:00:00Z")) == [exact]
    assert ids(api.get("/notifications", until="2026-03-01T12:00:00Z")) == []
    assert ids(api.get("/notifications", since="2026-03-01T12:00:00.001Z")) == []
    assert ids(api.get("/notifications", until="2026-03-01T12:00:00.001Z")) == [exact]


def test_pages_forward_and_back(api: Api) -> None:
    newest_first = [str(row(second).id) for second in range(7)][::-1]
    pages, links = [], ["/notifications?page_size=3&status=sent"]
    while links[-1]:
        answer = json_of(api.get(links[-1]))
        pages.append(answer)
        links.append(answer["next"])
        row(1000 + len(links))  # newer ones that arrive meanwhile neither shift nor repeat anything
    assert [item["id"] for page in pages for item in page["results"]] == newest_first
    assert [len(page["results"]) for page in pages] == [3, 3, 1]
    assert pages[0]["previous"] is None
    assert all("page_size=3" in page["next"] and "status=sent" in page["next"] for page in pages[:-1])
    back = json_of(api.get(pages[2]["previous"]))
    assert back["results"] == pages[1]["results"]
    assert json_of(api.get(back["next"]))["results"] == pages[2]["results"]
    assert json_of(api.get(back["previous"]))["results"] == pages[0]["results"]


def test_links_are_relative(api: Api) -> None:
    row(1)
    row(2)
    assert json_of(api.get("/notifications?page_size=1"))["next"].startswith("/notifications?")


def test_page_size(api: Api) -> None:
    for second in range(3):
        row(second)
    assert len(ids(api.get("/notifications", page_size="2"))) == 2
    assert len(ids(api.get("/notifications", page_size="500"))) == 3


def test_list_costs_the_same_however_many_it_shows(api: Api) -> None:
    def statements(rows: int) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert len(ids(api.get("/notifications"))) == rows
        return len(queries)

    row(0)
    ids(api.get("/notifications"))  # the API key is read
    one = statements(1)
    for second in range(1, 30):
        Attempt.objects.create(
            notification=row(second), generation=0, number=1, at=START, outcome="transient", cause="timeout"
        )
    assert statements(30) == one


@pytest.mark.parametrize("most_read", [1, 2, 3, 7, 8, 100])
@pytest.mark.parametrize(
    "query",
    ["", "&type=EMAIL", "&reference=r", "&user=ann", "&status=dead", "&status=sent", "&receiver=ann@example.com"],
)
def test_pages_among_the_rows_of_others(api: Api, most_read: int, query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page reads a few rows of all clients; following `next` finds each of ours once, and `previous` leads back."""
    monkeypatch.setattr(NewestFirst, "most_read", most_read)
    fields = {"reference": "r", "user": "ann", "status": "sent" if "sent" in query else "dead"}
    of_either_key = cycle(receiver_hashes("EMAIL", "ann@example.com"))
    rows = [
        row(second, client="shop" if second in (2, 3, 11) else "other", receiver_hash=next(of_either_key), **fields)
        for second in range(16)
    ]
    pages, link = [], f"/notifications?page_size=2{query}"
    while link:
        pages.append(json_of(api.get(link)))
        link = pages[-1]["next"]
    shown = [item["id"] for page in pages for item in page["results"]]
    assert shown == [str(rows[second].id) for second in (11, 3, 2)]
    assert len(pages) <= 16 // most_read + 2
    back = next(page for page in reversed(pages) if page["results"])
    found: list[str] = []
    while back["previous"]:
        back = json_of(api.get(back["previous"]))
        found = [item["id"] for item in back["results"]] + found
    assert found == shown[: len(found)]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_list_that_takes_too_long_is_a_503(keys_required: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("project.database.dialects.READ_SECONDS", 0.2)
    api = Api(issue("read", "users"))
    tables = {"/notifications": "notifications_notification", "/users": "users_user"}
    for path, table in tables.items():
        assert api.get(path).status_code == 200
        with locked(table):
            answer = api.get(path)
        assert (answer.status_code, json_of(answer)["code"]) == (503, "unavailable")
        assert "too long" in json_of(answer)["detail"]
        assert int(answer.headers["Retry-After"]) > 0
        assert api.get(path).status_code == 200
    with connection.cursor() as cursor:  # the limit was the transaction's, not the session's
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == ("0",)


@contextmanager
def locked(table: str) -> Iterator[None]:
    """Another session holds the table, so that every statement on it waits."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {table}")
            yield
    finally:
        other.close()


def test_one_costs_three_queries(api: Api, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    path = f"/notification/{row().id}"
    api.get(path)  # the API key is read
    with django_assert_num_queries(3):
        assert api.get(path).status_code == 200
