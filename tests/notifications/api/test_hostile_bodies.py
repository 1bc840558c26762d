"""Whatever a body holds, the answer is a 4xx in JSON that says what is wrong and where; nothing is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.caller import EMAIL, Api, json_of, stored

pytestmark = pytest.mark.sqlite  # refused before any database is asked
MIB = 1024 * 1024
SMS = {"type": "SMS", "message": "Hello", "receiver": "+4915112345678"}
SLACK = {"type": "SLACK", "message": "Hello", "receiver": "https://hooks.slack.com/services/T0/B0/secret"}


def without(field: str) -> dict[str, str]:
    return {name: value for name, value in EMAIL.items() if name != field}


# Name: (the notification, the field that the answer must name).
WRONG_FIELDS: dict[str, tuple[Any, str]] = {
    "no message": (without("message"), "message"),
    "no receiver": (without("receiver"), "receiver"),
    "no type": (without("type"), "type"),
    "nothing at all": ({}, "message"),
    "message a number": (EMAIL | {"message": 123}, "message"),
    "message null": (EMAIL | {"message": None}, "message"),
    "message true": (EMAIL | {"message": True}, "message"),
    "message a list": (EMAIL | {"message": ["Hello"]}, "message"),
    "message an object": (EMAIL | {"message": {"text": "Hello"}}, "message"),
    "message empty": (EMAIL | {"message": ""}, "message"),
    "message blank": (EMAIL | {"message": " \n\t "}, "message"),
    "message with NUL": (EMAIL | {"message": "a\x00b"}, "message"),
    "message a huge number": (EMAIL | {"message": 10**400}, "message"),
    "EMAIL too long": (EMAIL | {"message": "x" * (256 * 1024 + 1)}, "message"),
    "EMAIL too long in UTF-8 only": (EMAIL | {"message": "é" * (128 * 1024 + 1)}, "message"),
    "SLACK too long": (SLACK | {"message": "x" * 4001}, "message"),
    "SMS too long": (SMS | {"message": "x" * 1601}, "message"),
    "type unknown": (EMAIL | {"type": "FAX"}, "type"),
    "type in small letters": (EMAIL | {"type": "email"}, "type"),
    "type padded": (EMAIL | {"type": "EMAIL "}, "type"),
    "type a list": (EMAIL | {"type": ["EMAIL"]}, "type"),
    "type null": (EMAIL | {"type": None}, "type"),
    "type a number": (EMAIL | {"type": 1}, "type"),
    "receiver a number": (SMS | {"receiver": 4915112345678}, "receiver"),
    "receiver null": (EMAIL | {"receiver": None}, "receiver"),
    "receiver empty": (EMAIL | {"receiver": ""}, "receiver"),
    "receiver a list": (EMAIL | {"receiver": ["ann@example.com"]}, "receiver"),
    "receiver no address": (EMAIL | {"receiver": "ann"}, "receiver"),
    "receiver padded": (EMAIL | {"receiver": " ann@example.com"}, "receiver"),
    "two receivers": (EMAIL | {"receiver": "ann@example.com,bob@example.com"}, "receiver"),
    "two receivers, a semicolon": (EMAIL | {"receiver": "ann@example.com;bob@example.com"}, "receiver"),
    "a named receiver": (EMAIL | {"receiver": "Ann <ann@example.com>"}, "receiver"),
    "receiver with a line break": (EMAIL | {"receiver": "ann@example.com\nBcc: bob@example.com"}, "receiver"),
    "receiver that ends in a line break": (EMAIL | {"receiver": "ann@example.com\n"}, "receiver"),
    "receiver with NUL": (EMAIL | {"receiver": "ann\x00@example.com"}, "receiver"),
    "receiver too long": (EMAIL | {"receiver": f"{'a' * 2000}@example.com"}, "receiver"),
    "number without a plus": (SMS | {"receiver": "4915112345678"}, "receiver"),
    "number with letters": (SMS | {"receiver": "+49151CALLME"}, "receiver"),
    "number in other digits": (SMS | {"receiver": "+٤٩١٥١١٢٣٤٥٦٧٨"}, "receiver"),
    "number too long": (SMS | {"receiver": "+1234567890123456"}, "receiver"),
    "webhook elsewhere": (SLACK | {"receiver": "https://evil.example/services/T0/B0/x"}, "receiver"),
    "webhook with userinfo": (SLACK | {"receiver": "https://hooks.slack.com@evil.example/services/T/B/x"}, "receiver"),
    "webhook with dots": (SLACK | {"receiver": "https://hooks.slack.com/services/../../api"}, "receiver"),
    "webhook without TLS": (SLACK | {"receiver": "http://hooks.slack.com/services/T0/B0/x"}, "receiver"),
    "subject with a line break": (EMAIL | {"subject": "Hi\r\nBcc: bob@example.com"}, "subject"),
    "subject too long": (EMAIL | {"subject": "x" * 256}, "subject"),
    "subject null": (EMAIL | {"subject": None}, "subject"),
    "subject for SMS": (SMS | {"subject": "Hi"}, "subject"),
    "html for SLACK": (SLACK | {"html": "<b>Hi</b>"}, "html"),
    "html too long": (EMAIL | {"html": "x" * (256 * 1024 + 1)}, "html"),
    "expires_at past": (EMAIL | {"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
    "expires_at without zone": (EMAIL | {"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
    "expires_at no time": (EMAIL | {"expires_at": "tomorrow"}, "expires_at"),
    "expires_at a number": (EMAIL | {"expires_at": 4070908800}, "expires_at"),
    "expires_at a day that is not": (EMAIL | {"expires_at": "2099-02-30T00:00:00Z"}, "expires_at"),
    "expires_at at the end of time": (EMAIL | {"expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
    "expires_at later than a record may say": (EMAIL | {"expires_at": "9001-01-01T00:00:00Z"}, "expires_at"),
    "expires_at at the start of time": (EMAIL | {"expires_at": "0001-01-01T00:00:00+23:59"}, "expires_at"),
    "priority unknown": (EMAIL | {"priority": "urgent"}, "priority"),
    "category empty": (EMAIL | {"category": ""}, "category"),
    "category too long": (EMAIL | {"category": "x" * 101}, "category"),
    "reference a number": (EMAIL | {"reference": 4711}, "reference"),
    "reference too long": (EMAIL | {"reference": "x" * 256}, "reference"),
    "reference with NUL": (EMAIL | {"reference": "\x00"}, "reference"),
    "user and receiver": (EMAIL | {"user": "ann"}, "receiver"),
    "user unknown": ({"user": "nobody", "message": "Hello"}, "user"),
    "user empty": ({"user": "", "message": "Hello"}, "user"),
    "user too long": ({"user": "x" * 151, "message": "Hello"}, "user"),
    "user with NUL": ({"user": "a\x00", "message": "Hello"}, "user"),
    "user null": ({"user": None, "message": "Hello"}, "user"),
    "unknown field": (EMAIL | {"cc": "bob@example.com"}, "cc"),
    "field in capitals": (EMAIL | {"Message": "Hello"}, "Message"),
    "a field of ours": (EMAIL | {"status": "sent"}, "status"),
    "id of the caller's choice": (EMAIL | {"id": "019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e"}, "id"),
}
WHOLE = json.dumps(EMAIL).encode()
# Name: a body that is no JSON object in UTF-8, so that no field can be named.
MALFORMED: dict[str, bytes] = {
    "blank": b"  \n",
    "truncated": WHOLE[:-5],
    "two documents": WHOLE + WHOLE,
    "rubbish behind": WHOLE + b"x",
    "UTF-16": WHOLE.decode().encode("utf-16"),
    "UTF-16 without its mark": WHOLE.decode().encode("utf-16-le"),
    "UTF-32": WHOLE.decode().encode("utf-32"),
    "byte order mark": b"\xef\xbb\xbf" + WHOLE,
    "no UTF-8": WHOLE.replace(b"Hello", b"\xff\xfe"),
    "overlong UTF-8": WHOLE.replace(b"Hello", b"\xc0\xaf"),
    "surrogate in UTF-8": WHOLE.replace(b"Hello", b"\xed\xa0\x80"),
    "NUL byte": WHOLE.replace(b"Hello", b"\x00"),
    "raw line break in a string": WHOLE.replace(b"Hello", b"\n"),
    "null": b"null",
    "number": b"1",
    "string": b'"EMAIL"',
    "list": b"[" + WHOLE + b"]",
    "NaN": b"NaN",
    "single quotes": WHOLE.replace(b'"', b"'"),
    "trailing comma": WHOLE[:-1] + b",}",
    "form": b"type=EMAIL&message=Hello&receiver=ann%40example.com",
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep lists, unclosed": b"[" * 1_000_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "deep in a field": WHOLE[:-1] + b',"html":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep in an unknown field": WHOLE[:-1] + b',"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
}
SURROGATE_FIELDS = (
    "type", "message", "receiver", "subject", "html", "user", "category", "priority", "expires_at", "reference"
)  # fmt: skip


@pytest.mark.parametrize("name", WRONG_FIELDS)
def test_wrong_field_is_named(api: Api, name: str) -> None:
    body, field = WRONG_FIELDS[name]
    answer = api.post("/notification", body)
    assert answer.status_code == 400
    assert all(isinstance(why, str) and why for why in json_of(answer)[field])
    assert stored() == {}


@pytest.mark.parametrize("name", WRONG_FIELDS)
def test_wrong_field_in_a_batch_is_named_with_its_place(api: Api, name: str) -> None:
    body, field = WRONG_FIELDS[name]
    answer = api.post("/notifications", {"notifications": [EMAIL, body, EMAIL]})
    assert answer.status_code == 400
    assert list(json_of(answer)["notifications"]) == ["1"]
    assert json_of(answer)["notifications"]["1"][field]
    assert stored() == {}


@pytest.mark.parametrize("path", ["/notification", "/notifications", "/users/ann"])
@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_body(api: Api, path: str, name: str) -> None:
    answer = api.request("PUT" if path.startswith("/users") else "POST", path, MALFORMED[name])
    assert answer.status_code == 400
    assert json_of(answer)["detail"] or json_of(answer)["html"]
    assert stored() == {}


@pytest.mark.parametrize("field", SURROGATE_FIELDS)
def test_lone_surrogate(api: Api, field: str) -> None:
    body = json.dumps(EMAIL | {field: "@@"}).replace("@@", "a\\ud800b").encode()
    single, batch = api.post("/notification", body), api.post("/notifications", b'{"notifications":[%s]}' % body)
    assert (single.status_code, batch.status_code) == (400, 400)
    assert json_of(single) and json_of(batch)
    assert stored() == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"notifications": None},
        {"notifications": EMAIL},
        {"notifications": "x"},
        {"notifications": []},
        {"notifications": [EMAIL] * 5001},
        {"notifications": [{"notifications": [EMAIL]}]},
        {"notifications": [[EMAIL]]},
        {"notifications": [None]},
        {"notifications": ["x", 1]},
        {"notifications": [EMAIL | {"idempotency_key": ""}]},
        {"notifications": [EMAIL | {"idempotency_key": "x" * 256}]},
        {"notifications": [EMAIL | {"idempotency_key": "a\x00"}]},
        {"notifications": [EMAIL | {"idempotency_key": 7}]},
    ],
    ids=lambda body: json.dumps(body)[:60],
)
def test_wrong_batch(api: Api, body: object) -> None:
    answer = api.post("/notifications", body)
    assert answer.status_code == 400
    assert json_of(answer)
    assert stored() == {}


def test_unknown_field_beside_the_batch(api: Api) -> None:
    answer = api.post("/notifications", {"notifications": [EMAIL], "dry_run": True})
    assert (answer.status_code, json_of(answer)) == (400, {"dry_run": ["Unknown field."]})
    assert stored() == {}


def test_every_wrong_item_of_a_batch_is_named(api: Api) -> None:
    answer = api.post("/notifications", {"notifications": [without("message"), EMAIL, EMAIL | {"type": 1, "x": 2}]})
    assert {place: set(errors) for place, errors in json_of(answer)["notifications"].items()} == {
        "0": {"message"},
        "2": {"type", "x"},
    }


def test_idempotency_key_belongs_into_the_header_of_a_single_request(api: Api) -> None:
    answer = api.post("/notification", EMAIL | {"idempotency_key": "k"})
    assert (answer.status_code, json_of(answer)) == (400, {"idempotency_key": ["Unknown field."]})


@pytest.mark.parametrize(
    ("path", "size"), [("/notification", 10), ("/notification", 6), ("/notifications", 10), ("/notifications", 5)]
)
def test_too_large_a_body(api: Api, path: str, size: int) -> None:
    answer = api.post(path, json.dumps(EMAIL | {"message": "x" * size * MIB}).encode())
    assert (answer.status_code, json_of(answer)["code"]) == (413, "too_large")
    assert stored() == {}


def test_record_too_large_for_kafka(api: Api) -> None:
    """Both texts are within their limits; as JSON, where some characters take six bytes, they are not."""
    answer = api.post("/notification", EMAIL | {"message": "\x01" * 200_000, "html": "x"})
    assert answer.status_code == 413
    assert json_of(answer)["message"]
    assert stored() == {}


def test_many_small_problems_do_not_make_a_large_answer(api: Api) -> None:
    answer = api.post("/notification", EMAIL | {"x" * 100_000: 1})
    assert answer.status_code == 400
    assert len(answer.content) < 1000
