"""What must hold of any input, found by hypothesis."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import RFC_4122, UUID, SafeUUID

from hypothesis import given
from hypothesis import strategies as st

from notifications.messages.draft import Draft, read_batch, read_request
from notifications.messages.explain import Invalid
from notifications.messages.ids import first_id_at, new_ids, time_of
from notifications.messages.message import Message, Unreadable, from_record, new_message

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FIELDS = """type message receiver user subject html category priority expires_at reference idempotency_key
id v channel client accepted_at generation notifications"""
fields = st.sampled_from(FIELDS.splitlines()).flatmap(lambda line: st.sampled_from(line.split(" ")))
any_text = st.text(max_size=300) | st.text(st.characters(), max_size=20)
zones = st.integers(-23, 23).map(lambda hours: timezone(timedelta(hours=hours)))
moments = st.datetimes(timezones=zones | st.just(UTC))
receivers = st.sampled_from(
    [
        ("EMAIL", "ann@example.com"),
        ("EMAIL", "Ann.B+tag@EXAMPLE.com"),
        ("SMS", "+4915123456789"),
        ("SLACK", "https://hooks.slack.com/services/T1/B1/abc"),
        ("SLACK", "C0123456789"),
    ]
)


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """Bodies of which many are accepted, with any text anywhere."""
    channel, receiver = draw(receivers)
    values: dict[str, Any] = {"type": channel, "receiver": receiver, "message": draw(any_text)}
    optional: dict[str, st.SearchStrategy[Any]] = {
        "category": st.text(max_size=110),
        "reference": any_text,
        "priority": st.sampled_from(["transactional", "bulk"]),
        "expires_at": moments.filter(lambda moment: moment.year > 2000).map(
            datetime.isoformat
        ),  # intake refuses the past
    }
    if channel == "EMAIL":
        optional |= {"subject": any_text, "html": any_text}
    for name in draw(st.sets(st.sampled_from(sorted(optional)))):
        values[name] = draw(optional[name])
    return values


@given(requests(), st.text(st.characters(exclude_characters="\x00", codec="utf-8"), min_size=1, max_size=100))
def test_what_a_request_made_is_read_back_equal(values: dict[str, Any], client: str) -> None:
    try:
        draft = read_request(as_bytes(values))
    except Invalid as refused:
        assert refused.errors
        return
    message = new_message(draft, client=client, channel=values["type"], receiver=values["receiver"])
    assert from_record(message.to_record()) == message
    assert message.accepted_at == time_of(message.id)


@given(st.binary() | json_values.map(as_bytes) | st.dictionaries(fields, json_values).map(as_bytes))
def test_any_bytes_are_a_message_or_unreadable(value: bytes) -> None:
    try:
        assert isinstance(from_record(value), Message)
    except Unreadable as why:
        assert str(why)


@given(st.binary() | json_values.map(as_bytes) | st.dictionaries(fields, json_values).map(as_bytes))
def test_any_bytes_are_a_draft_or_invalid(body: bytes) -> None:
    try:
        assert isinstance(read_request(body), Draft)
    except Invalid as refused:
        assert refused.errors
        as_bytes(refused.errors).decode()  # it can be the body of an answer


@given(st.lists(st.dictionaries(fields, json_values) | requests() | json_values, max_size=4), json_values)
def test_any_batch_is_drafts_or_invalid_and_agrees_with_the_single_door(items: list[Any], other: Any) -> None:
    for body in ({"notifications": items}, {"notifications": other}, other):
        try:
            drafts = read_batch(as_bytes(body))
        except Invalid as refused:
            assert refused.errors
            continue
        for item, draft in zip(body["notifications"], drafts, strict=True):
            alone = {name: value for name, value in item.items() if name != "idempotency_key"}
            assert read_request(as_bytes(alone)).body_hash() == draft.body_hash()


@given(requests(), st.randoms(), st.integers(0, 4))
def test_the_body_hash_does_not_see_spacing_or_order(values: dict[str, Any], random: Any, indent: int) -> None:
    items = list(values.items())
    random.shuffle(items)
    try:
        one = read_request(as_bytes(values))
    except Invalid:
        return
    turned = json.dumps(dict(items), indent=indent, ensure_ascii=False).encode(errors="surrogatepass")
    assert read_request(turned).body_hash() == one.body_hash()


milliseconds = st.integers(0, 2**47)
tails = st.integers(0, 2**80 - 1)


@given(milliseconds, tails, moments.filter(lambda moment: 1970 < moment.year < 6000))
def test_the_first_id_at_a_moment_parts_earlier_from_later(ms: int, tail: int, moment: datetime) -> None:
    id = UUID(int=(ms << 80) | tail)
    assert (id < first_id_at(moment)) == (time_of(id) < moment)


@given(st.uuids() | st.sampled_from([UUID(int=0), UUID(int=2**128 - 1)]))
def test_any_id_has_a_moment_that_can_be_shown_anywhere_and_counted_on_from(id: UUID) -> None:
    moment = time_of(id)
    assert moment.astimezone(timezone(timedelta(hours=14))) == moment
    assert moment + timedelta(days=1) > moment


@given(moments)
def test_any_moment_has_a_first_id(moment: datetime) -> None:
    assert isinstance(first_id_at(moment), UUID)


def test_new_ids_ascend_and_are_as_the_standard_library_has_them() -> None:
    ids = new_ids(1_000)
    assert ids == sorted(set(ids))
    for id in ids[:10]:
        assert (id.version, id.variant, id.is_safe) == (7, RFC_4122, SafeUUID.unknown)
        assert (UUID(str(id)), hash(UUID(str(id)))) == (id, hash(id))
        assert abs(time_of(id) - datetime.now(UTC)) < timedelta(minutes=1)
