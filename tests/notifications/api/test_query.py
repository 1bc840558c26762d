"""Query parameters that cannot be read are refused and named; none of them is an error of ours."""

from __future__ import annotations

import pytest

from tests.caller import Api, json_of

WRONG: list[tuple[str, str]] = [
    ("receiver=%00", "receiver"),
    ("receiver=a%00b", "receiver"),
    ("receiver=", "receiver"),
    ("receiver=%FF", "receiver"),
    ("receiver=%ED%A0%80", "receiver"),
    ("receiver=+4915112345678", "receiver"),  # a plus that was not written %2B
    (f"receiver={'x' * 2000}", "receiver"),
    ("receiver=a@example.com&receiver=b@example.com", "receiver"),
    ("user=%00", "user"),
    (f"user={'x' * 151}", "user"),
    ("user=", "user"),
    ("reference=%00", "reference"),
    (f"reference={'x' * 256}", "reference"),
    ("status=done", "status"),
    ("status=SENT", "status"),
    ("status=sent,dead", "status"),
    ("status=%00", "status"),
    ("status=null", "status"),
    ("type=FAX", "type"),
    ("type=email", "type"),
    ("type=EMAIL%0A", "type"),
    ("since=yesterday", "since"),
    ("since=2026-01-01", "since"),
    ("since=2026-01-01T00:00:00", "since"),
    ("since=2026-01-01T00:00:00+01:00", "since"),  # a plus that was not written %2B
    ("since=2026-02-30T00:00:00Z", "since"),
    ("since=1767225600", "since"),
    ("since=null", "since"),
    ("since=%00", "since"),
    ("until=", "until"),
    ("until=99999-01-01T00:00:00Z", "until"),
    ("cursor=x", "cursor"),
    ("cursor=after.x", "cursor"),
    ("cursor=after.", "cursor"),
    ("cursor=after.%00", "cursor"),
    ("cursor=after.019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e%0A", "cursor"),
    ("cursor=sideways.019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e", "cursor"),
    ("page_size=0", "page_size"),
    ("page_size=501", "page_size"),
    ("page_size=-1", "page_size"),
    ("page_size=1e2", "page_size"),
    ("page_size=5.0", "page_size"),
    ("page_size=true", "page_size"),
    ("page_size=%D9%A1", "page_size"),  # a digit, but an Arabic one
    (f"page_size={'9' * 5000}", "page_size"),
    ("page=2", "page"),
    ("recipient=ann@example.com", "recipient"),
    ("Receiver=ann@example.com", "Receiver"),
    ("%00=1", "\x00"),
    ("client=bank", "client"),
]


@pytest.mark.parametrize(("query", "name"), WRONG, ids=lambda value: value[:50])
def test_refused_and_named(api: Api, query: str, name: str) -> None:
    answer = api.get(f"/notifications?{query}")
    assert (answer.status_code, list(json_of(answer))) == (400, [name])
    assert json_of(answer)[name][0]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("page=2", "Unknown parameter."),
        ("user=", "Must not be empty."),
        ("user=a&user=b", "Must be given once."),
        ("user=%FF", "Must be UTF-8 without NUL."),
        (f"user={'x' * 151}", "Must have at most 150 characters."),
        (f"receiver={'x' * 1025}", "Must have at most 1,024 characters."),
        ("receiver=+49", "Must not begin with a space; a + is written %2B."),
        ("type=FAX", "Must be one of EMAIL, SLACK, SMS."),
        ("page_size=501", "Must be a whole number from 1 to 500."),
        ("cursor=x", "Must be a cursor from the next or previous of an answer."),
    ],
)
def test_the_reason_is_a_sentence(api: Api, query: str, why: str) -> None:
    assert json_of(api.get(f"/notifications?{query}")) == {query.partition("=")[0]: [why]}


@pytest.mark.parametrize("query", ["since=0001-01-01T00:00:00%2B14:00", "until=9999-12-31T23:59:59-14:00"])
def test_times_at_the_ends_of_the_calendar(api: Api, query: str) -> None:
    assert api.get(f"/notifications?{query}").status_code == 200


@pytest.mark.parametrize("query", ["cursor=x", "cursor=after.a%00", "cursor=after.a b", "page_size=x", "user=ann"])
def test_list_of_users(api: Api, query: str) -> None:
    answer = api.get(f"/users?{query}")
    assert (answer.status_code, list(json_of(answer))) == (400, [query.partition("=")[0]])


def test_more_parameters_than_django_reads(api: Api) -> None:
    answer = api.get(f"/notifications?{'&'.join(f'a{n}=1' for n in range(2000))}")
    assert answer.status_code == 400
    assert json_of(answer)


def test_all_that_is_wrong_is_named(api: Api) -> None:
    answer = api.get("/notifications?status=x&type=y&since=z")
    assert set(json_of(answer)) == {"status", "type", "since"}
