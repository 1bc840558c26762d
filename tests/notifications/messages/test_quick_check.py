"""The quick check of drafts and records decides exactly as the rules that explain what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from pytest_django import Settings

from notifications.messages import draft as module
from notifications.messages.draft import BatchDraft, Draft, read_batch, read_one_by_one, read_request
from notifications.messages.explain import Invalid
from notifications.messages.message import Message
from notifications.messages.rules import NUL, by_field, draft_problems, is_right, is_right_record, record_problems

RECEIVERS = ["ann@example.com", "ann@exämple.com", "nobody", "", "a\n@example.com", "a\x00@example.com", "x" * 1025,
             "+4915123456789", "0151", "C0123456789", "https://hooks.slack.com/services/T1/B1/x"]  # fmt: skip
TEXTS = ["Hello", "", " ", "\t\n", "\x00", "a\x00b", "a\nb", "a\rb", "\\u0000", "é", "x" * 1_601, "é" * 4_001,
         "x" * 262_145, "é" * 131_073, " "]  # fmt: skip
SHORT = ["", "a", "a\nb", "a\rb", "\x00", "\\u0000", "x" * 100, "x" * 256]
MOMENTS = [None, "2030-01-31T12:00:00Z", "8999-12-31T23:59:59-14:00", "9000-01-01T00:00:00Z", "1999-12-31T23:59:59Z",
           "9000-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00Z"]  # fmt: skip
CHANNELS = ["EMAIL", "SLACK", "SMS", "FAX", ""]

VALUES: dict[str, list[Any]] = {
    "type": CHANNELS,
    "receiver": RECEIVERS,
    "message": TEXTS,
    "html": TEXTS,
    "subject": SHORT,
    "category": SHORT,
    "reference": SHORT,
    "priority": ["transactional", "bulk", "urgent"],
    "expires_at": MOMENTS,
    "send_at": MOMENTS,
    "latest_at": MOMENTS,
    "user": ["ann", "", "\x00", "x" * 151],
    "idempotency_key": ["k", "", "\x00"],
    "accepted_at": MOMENTS,
}
GOOD: list[dict[str, Any]] = [
    {"type": "EMAIL", "receiver": "ann@example.com", "message": "Hello", "subject": "s", "html": "h"},
    {"type": "SMS", "receiver": "+4915123456789", "message": "Hello"},
    {"type": "SLACK", "receiver": "C0123456789", "message": "Hello"},
    {"user": "ann", "message": "Hello"},
]
OF_RECORD = {"client": "shop", "id": str(uuid4()), "accepted_at": "2026-01-01T00:00:00Z"}


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """A good one with up to three fields changed, to values of which half are wrong, or left out."""
    values = dict(draw(st.sampled_from(GOOD)))
    for name in draw(st.lists(st.sampled_from([*VALUES][:-1]), max_size=3)):
        values[name] = draw(st.sampled_from(VALUES[name]) | st.text(max_size=20))
    if draw(st.integers(0, 9)) == 0:
        del values[draw(st.sampled_from(list(values)))]
    return values


def outcome(read: Callable[[bytes], Any], body: bytes) -> Any:
    try:
        return read(body)
    except Invalid as refused:
        return refused.errors


def outcome_the_slow_way(read: Callable[[bytes], Any], body: bytes) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "is_right", lambda _: False)
        return outcome(read, body)


@given(st.lists(bodies(), max_size=4))
def test_a_batch_is_read_as_it_is_item_by_item(items: list[dict[str, Any]]) -> None:
    body = json.dumps({"notifications": items}).encode()
    assert outcome(read_batch, body) == outcome_the_slow_way(read_one_by_one, body)


@given(bodies())
def test_a_request_is_read_as_the_rules_read_it(values: dict[str, Any]) -> None:
    body = json.dumps(values).encode()
    assert outcome(read_request, body) == outcome_the_slow_way(read_request, body)


@pytest.mark.parametrize("base", GOOD, ids=str)
def test_a_draft_is_right_where_the_rules_find_nothing(base: dict[str, Any]) -> None:
    """Whatever one of its fields is."""
    found = [check_draft(base | {name: value}) for name, values in VALUES.items() for value in values]
    assert {True, False} <= set(found) or "user" in base


@given(bodies())
def test_any_draft_is_right_where_the_rules_find_nothing(values: dict[str, Any]) -> None:
    check_draft(values)


def check_draft(values: dict[str, Any]) -> bool | None:
    """Returns whether the draft is right; None where its types are wrong or it has a NUL, so nobody asks."""
    body = json.dumps(values).encode()
    try:
        draft = msgspec.json.decode(body, type=BatchDraft)
    except msgspec.ValidationError:
        return None
    if NUL in body:
        return None
    assert is_right(draft) is (by_field(draft_problems(draft)) == {} and draft.user is UNSET)
    return is_right(draft)


@pytest.mark.parametrize("base", GOOD[:3], ids=str)
def test_a_record_is_right_where_the_rules_find_nothing(base: dict[str, Any]) -> None:
    found = [check_record(base | {name: value}) for name, values in VALUES.items() for value in values]
    assert {True, False} <= set(found)


@given(bodies(), st.sampled_from(MOMENTS))
def test_any_record_is_right_where_the_rules_find_nothing(values: dict[str, Any], accepted_at: str | None) -> None:
    check_record(values | {"accepted_at": accepted_at})


def check_record(values: dict[str, Any]) -> bool | None:
    named = {"channel" if name == "type" else name: value for name, value in (OF_RECORD | values).items()}
    body = json.dumps(named).encode()
    try:
        message = msgspec.json.decode(body, type=Message)
    except msgspec.ValidationError:
        return None
    if NUL in body:
        return None
    assert is_right_record(message) is (list(record_problems(message)) == [])
    return is_right_record(message)


@pytest.mark.parametrize("values", [("EMAIL", "ann@example.com"), ("SMS", "+4915123456789"), ("SLACK", "C0123456789")])
def test_what_is_usual_takes_the_quick_way(values: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def look(_draft: Draft) -> Any:
        raise AssertionError("the rules were asked")

    monkeypatch.setattr(module, "draft_problems", look)
    one = {"type": values[0], "receiver": values[1], "message": "Hello", "expires_at": "2030-01-31T12:00:00Z"}
    assert read_request(json.dumps(one).encode()).receiver == values[1]
    assert len(read_batch(json.dumps({"notifications": [one] * 3}).encode())) == 3


@pytest.mark.parametrize("spelling", ["\\u0000", "x\\u0000", "\\\\\\u0000"])
def test_every_spelling_of_a_nul_is_found(spelling: str) -> None:
    """JSON has one escape for it, and takes no raw one."""
    body = f'{{"type":"EMAIL","receiver":"ann@example.com","message":"{spelling}"}}'.encode()
    with pytest.raises(Invalid) as refused:
        read_request(body)
    assert refused.value.errors == {"message": ["Must not contain NUL."]}
    with pytest.raises(Invalid, match="not valid JSON"):
        read_request(body.replace(spelling.encode(), b"\x00"))


def test_a_country_that_texts_may_not_go_to_is_refused(settings: Settings) -> None:
    settings.SMS_COUNTRIES = ("DE",)
    sms = {"type": "SMS", "message": "Hello"}
    assert read_request(json.dumps(sms | {"receiver": "+4915123456789"}).encode())
    with pytest.raises(Invalid, match="SMS_COUNTRIES"):
        read_request(json.dumps(sms | {"receiver": "+14155550123"}).encode())
