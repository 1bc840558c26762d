"""Request, batch request and Kafka record are checked by the same rules, with the same words."""

from __future__ import annotations

import itertools
import json
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from notifications.channels import channel_class
from notifications.messages import message as message_module
from notifications.messages.draft import MAX_BATCH, Draft, read_batch, read_request
from notifications.messages.explain import Invalid
from notifications.messages.fields import LENGTHS, Content
from notifications.messages.message import Message, Unreadable, from_record, id_in, new_message
from notifications.messages.rules import content_problems

GOOD: dict[str, Any] = {"type": "EMAIL", "receiver": "ann@example.com", "message": "Hello"}
RECORD: dict[str, Any] = {
    "v": 1,
    "id": str(uuid4()),
    "channel": "EMAIL",
    "receiver": "ann@example.com",
    "message": "Hello",
    "client": "shop",
    "accepted_at": "2026-01-01T00:00:00Z",
}
WEBHOOK = "https://hooks.slack.com/services/T1/B1/x"


def single(**fields: Any) -> Draft:
    return read_request(json.dumps(GOOD | fields).encode())


def batch(**fields: Any) -> Draft:
    return read_batch(json.dumps({"notifications": [GOOD, GOOD | fields]}).encode())[1]


def record(**fields: Any) -> Message:
    named = {"channel" if name == "type" else name: value for name, value in fields.items()}
    return from_record(json.dumps(RECORD | named).encode())


# (fields, the wrong field, words of its error)
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"message": ""}, "message", "empty"),
    ({"message": " \n\t "}, "message", "empty"),
    ({"message": "a\x00b"}, "message", "NUL"),
    ({"message": "x" * 262_145}, "message", "at most"),
    ({"message": "é" * 131_073}, "message", "at most"),
    ({"html": "x" * 262_145}, "html", "at most"),
    ({"html": "\x00"}, "html", "NUL"),
    ({"subject": "x" * 256}, "subject", "255"),
    ({"subject": "a\nBcc: b"}, "subject", "line break"),
    ({"subject": "a\rb"}, "subject", "line break"),
    ({"subject": "\x00"}, "subject", "NUL"),
    ({"receiver": "nobody"}, "receiver", "e-mail"),
    ({"receiver": "a@example.com,b@example.com"}, "receiver", "e-mail"),
    ({"receiver": "a@example.com\nb@example.com"}, "receiver", "e-mail"),
    ({"receiver": " a@example.com"}, "receiver", "e-mail"),
    ({"receiver": "a\x00@example.com"}, "receiver", "NUL"),
    ({"receiver": ""}, "receiver", ""),
    ({"receiver": "x" * 1025}, "receiver", "1,024"),
    ({"category": ""}, "category", "empty"),
    ({"category": "x" * 101}, "category", "100"),
    ({"category": "\x00"}, "category", "NUL"),
    ({"reference": "x" * 256}, "reference", "255"),
    ({"reference": "\x00"}, "reference", "NUL"),
    ({"type": "FAX"}, "type", "EMAIL, SLACK, SMS"),
    ({"type": ""}, "type", "EMAIL"),
    ({"type": "email"}, "type", "EMAIL"),
    ({"type": "SMS"}, "receiver", "E.164"),
    ({"type": "SMS", "receiver": "+49151234567", "message": "x" * 1601}, "message", "1,600"),
    ({"type": "SMS", "receiver": "0151234567"}, "receiver", ""),
    ({"type": "SMS", "receiver": "+٤٩١٥١٢٣٤٥٦٧"}, "receiver", ""),
    ({"type": "SLACK", "receiver": WEBHOOK, "message": "x" * 4001}, "message", "4,000"),
    ({"type": "SLACK", "receiver": "https://evil.example/services/T1/B1/x"}, "receiver", ""),
    ({"type": "SLACK", "receiver": "https://hooks.slack.com/services/../x"}, "receiver", ""),
    ({"type": "SLACK", "receiver": "https://a@hooks.slack.com/services/x"}, "receiver", ""),
]


@pytest.mark.parametrize(("values", "field", "why"), REFUSED, ids=lambda value: str(value)[:40])
def test_request_batch_and_record_refuse_it(values: dict[str, Any], field: str, why: str) -> None:
    with pytest.raises(Invalid) as alone:
        single(**values)
    with pytest.raises(Invalid) as among:
        batch(**values)
    with pytest.raises(Unreadable) as as_record:
        record(**values)
    assert why in alone.value.errors[field][0]
    assert among.value.errors == {"notifications": {"1": alone.value.errors}}
    assert str(as_record.value).startswith(f"{field}: ")
    assert alone.value.errors[field][0] in str(as_record.value)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "9500-01-01T00:00:00Z"])
def test_no_expiry_is_accepted_that_a_column_cannot_store_in_every_zone(moment: str) -> None:
    for read in (single, batch):
        with pytest.raises(Invalid, match="9000"):
            read(expires_at=moment)
    with pytest.raises(Unreadable):
        record(expires_at=moment)


def test_the_last_expiry_that_is_accepted_is_one_that_a_sender_reads() -> None:
    """As UTC it is a day and a year later."""
    values = single(expires_at="8999-12-31T23:59:59-14:00")
    accepted = new_message(values, client="shop", channel="EMAIL", receiver="ann@example.com")
    assert from_record(accepted.to_record()).expires_at == accepted.expires_at
    with pytest.raises(Invalid, match="9000"):
        single(expires_at="9000-12-31T23:59:59-14:00")


# JSON of the wrong type: (field, a value)
STRINGS = ("message", "subject", "html", "category", "receiver", "type", "reference", "user")
WRONG: list[tuple[str, Any]] = [
    *itertools.product(STRINGS, (1, 1.5, True, None, [], {}, ["x"])),
    *itertools.product(["priority"], ("high", "", None, 1)),
    *itertools.product(["send_at", "expires_at"], (1, "tomorrow", "2030-01-01", "2030-01-01T00:00:00", "", [], True)),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_wrong_type_is_named_for_request_batch_and_record(field: str, value: Any) -> None:
    with pytest.raises(Invalid) as alone:
        single(**{field: value})
    assert list(alone.value.errors) == [field]
    assert alone.value.errors[field][0].startswith("Must be ")
    with pytest.raises(Invalid) as among:
        batch(**{field: value})
    assert among.value.errors == {"notifications": {"1": alone.value.errors}}
    with pytest.raises(Unreadable):
        record(**{field: value})


@pytest.mark.parametrize(
    "fields",
    [
        {"v": 2},
        {"v": "1"},
        {"id": "nonsense"},
        {"id": 7},
        {"generation": -1},
        {"generation": 2**31},
        {"generation": 10**30},
        {"generation": "0"},
        {"client": 1},
        {"client": "x" * 101},
        {"client": "a\x00"},
        {"user": "x" * 151},
        {"accepted_at": "2026-01-01T00:00:00"},
        {"accepted_at": "0001-01-01T00:00:00Z"},
        {"accepted_at": "9999-12-31T23:59:59Z"},
        {"accepted_at": None},
    ],
    ids=str,
)
def test_a_record_is_refused_for_what_only_records_have(fields: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        record(**fields)


@pytest.mark.parametrize("missing", ["id", "channel", "receiver", "message", "client", "accepted_at"])
def test_a_record_needs_its_fields(missing: str) -> None:
    values = {name: value for name, value in RECORD.items() if name != missing}
    with pytest.raises(Unreadable, match=missing):
        from_record(json.dumps(values).encode())


@pytest.mark.parametrize(
    "value",
    [None, b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"message": "\\ud800"}', b"[" * 100_000, b'"' + b"x" * 10],
)
def test_bytes_that_are_no_record(value: bytes | None) -> None:
    with pytest.raises(Unreadable):
        from_record(value)


def test_a_record_with_unknown_fields_is_read() -> None:
    """A newer web may be ahead of an older sender for a while."""
    assert record(colour="blue").message == "Hello"


def test_the_id_is_found_in_a_record_that_is_not_readable() -> None:
    id = uuid4()
    assert id_in(json.dumps({"id": str(id), "v": 9}).encode()) == id
    assert id_in(b"{") is None
    assert id_in(b'{"id": 7}') is None


def test_limits_are_inclusive() -> None:
    assert single(subject="x" * 255, reference="x" * 255, category="x" * 100, message="x" * 262_144)
    assert single(type="SMS", receiver="+49151234567", message="é" * 1600)
    assert single(type="SLACK", receiver=WEBHOOK, message="é" * 4000)


def test_nothing_is_trimmed() -> None:
    draft = single(message="  Hello \n", subject=" s ", reference=" r ")
    assert (draft.message, draft.subject, draft.reference) == ("  Hello \n", " s ", " r ")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"colour": "blue"}, "colour"),
        ({"idempotency_key": "k"}, "idempotency_key"),
        ({"user": "7"}, "receiver"),
    ],
)
def test_what_a_request_may_not_say(values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        single(**values)
    assert field in refused.value.errors


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"message": "m", "type": "EMAIL"}, "receiver"),
        ({"message": "m", "receiver": "a@example.com"}, "type"),
        ({"type": "EMAIL", "receiver": "a@example.com"}, "message"),
        ({"message": "m", "user": "x" * 151}, "user"),
        ({"message": "m", "user": ""}, "user"),
        ({"message": "m", "user": "\x00"}, "user"),
        (GOOD | {"type": "SMS", "receiver": "+49151234567", "subject": "s"}, "subject"),
        (GOOD | {"type": "SMS", "receiver": "+49151234567", "html": "h"}, "html"),
    ],
)
def test_what_a_request_must_say(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_request(json.dumps(body).encode())
    assert field in refused.value.errors


def test_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        single(message=1, subject=2, colour="blue")
    assert set(refused.value.errors) == {"message", "subject", "colour"}
    with pytest.raises(Invalid) as refused:
        single(message="", receiver="x", category="")
    assert set(refused.value.errors) == {"message", "receiver", "category"}


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00b", 7])
def test_a_key_in_a_batch_has_1_to_255_characters(key: Any) -> None:
    with pytest.raises(Invalid) as refused:
        batch(idempotency_key=key)
    assert list(refused.value.errors["notifications"]["1"]) == ["idempotency_key"]


def test_a_batch_holds_1_to_5000() -> None:
    for count in (0, MAX_BATCH + 1):
        with pytest.raises(Invalid, match="1 to 5,000"):
            read_batch(json.dumps({"notifications": [GOOD] * count}).encode())
    assert len(read_batch(json.dumps({"notifications": [GOOD] * MAX_BATCH}).encode())) == MAX_BATCH


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"notifications": {}}', b'{"notifications": [], "x": 1}'])
def test_what_is_no_batch(body: bytes) -> None:
    with pytest.raises(Invalid):
        read_batch(body)


def test_the_body_hash_is_that_of_the_body() -> None:
    spaced = json.dumps(GOOD, indent=4).encode()
    turned = json.dumps(dict(reversed(GOOD.items()))).encode()
    hashes = {read_request(body).body_hash() for body in (json.dumps(GOOD).encode(), spaced, turned)}
    hashes |= {batch().body_hash(), batch(idempotency_key="a").body_hash(), batch(idempotency_key="b").body_hash()}
    assert len(hashes) == 1
    others = [{"message": "Hallo"}, {"subject": "s"}, {"priority": "bulk"}, {"reference": "r"}, {"html": "h"}]
    others += [{"category": "c"}, {"expires_at": "2030-01-01T00:00:00Z"}, {"receiver": "bob@example.com"}]
    assert len(hashes | {single(**other).body_hash() for other in others}) == 1 + len(others)


@pytest.mark.parametrize(
    ("values", "as_1_0"),
    [
        (
            GOOD | {"expires_at": "2030-01-31T12:00:00+02:00"},
            "584bfec335b5803a71d28755d970090eac9076e9447362605b18a3b7d3c54aac",
        ),
        (
            {"user": "7", "message": "Hello", "subject": "S", "html": "<b>", "category": "c", "priority": "bulk"}
            | {"reference": "r", "idempotency_key": "k"},
            "d69530ef1aee844a983da2ee21a7b5c07688afafc4c8b0f7c6585d301f0310e0",
        ),
    ],
)
def test_a_request_has_the_body_hash_that_it_had_in_1_0(values: dict[str, Any], as_1_0: str) -> None:
    """Else nobody could repeat after an upgrade what was accepted before it."""
    (draft,) = read_batch(json.dumps({"notifications": [values]}).encode())
    assert draft.body_hash() == as_1_0


def test_what_a_caller_says_travels() -> None:
    values = dict.fromkeys(("subject", "html", "category", "reference"), "x")
    draft = single(**values, priority="bulk", expires_at="2030-01-31T12:00:00Z")
    message = new_message(draft, client="shop", channel="EMAIL", receiver="ann@example.com")
    assert {name for name in Content.__struct_fields__ if getattr(message, name) != getattr(draft, name)} == set()


def test_a_field_that_new_message_does_not_spell_out_travels_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """So the list of fields stays the only one. (The rule drops html, so what comes through came by the other way.)"""
    monkeypatch.setattr(message_module, "_OTHERS", ("html",))
    draft = read_request(b'{"message": "m", "user": "7", "html": "<b>m</b>"}')
    assert new_message(draft, client="shop", channel="SMS", receiver="+49151234567").html == "<b>m</b>"
    assert set(Content.__struct_fields__) >= message_module._SPELLED_OUT


def test_lengths_and_rules_are_told_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        single(subject="x" * 256, receiver="nobody", category="\x00" + "x" * 100)
    assert set(refused.value.errors) == {"subject", "receiver", "category"}
    assert refused.value.errors["category"] == ["Must have at most 100 characters.", "Must not contain NUL."]


def test_a_message_by_user_drops_what_the_device_does_not_take() -> None:
    draft = read_request(b'{"message": "m", "user": "7", "subject": "s", "html": "<b>m</b>"}')
    sms = new_message(draft, client="shop", channel="SMS", receiver="+49151234567")
    assert (sms.subject, sms.html, sms.user) == ("", "", "7")
    email = new_message(draft, client="shop", channel="EMAIL", receiver="ann@example.com")
    assert (email.subject, email.html) == ("s", "<b>m</b>")


@pytest.mark.parametrize("channel", ["EMAIL", "SLACK", "SMS"])
def test_a_receiver_over_its_length_is_refused_before_its_channel_looks(
    channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looks(_receiver: str) -> str:
        raise AssertionError

    monkeypatch.setattr(channel_class(channel), "receiver_problem", looks)
    long = "a" * (LENGTHS["receiver"] + 1)
    values = {"type": channel, "receiver": long, "message": "Hi"}
    with pytest.raises(Invalid) as caught:
        read_request(msgspec.json.encode(values))
    assert caught.value.errors == {"receiver": ["Must have at most 1,024 characters."]}
    by_user = read_request(msgspec.json.encode({"user": "ann", "message": "Hi"}))
    assert content_problems(by_user, channel, long) == {"receiver": ["Must have at most 1,024 characters."]}
