"""Correcting a dead letter: by the intake's rules, recorded without addresses, one person at a time."""

from __future__ import annotations

import json

import pytest

from dlq.models import DeadLetter, DeadLetterEvent
from dlq.repair import NotRepaired, client_of, raw_text, repair, repair_unreadable
from dlq.selection import Selection
from dlq.verbs import replay
from notifications.intake.accept import OURS, accept
from notifications.intake.refused import Conflict
from notifications.messages.draft import Draft, read_request
from notifications.messages.explain import Invalid
from notifications.messages.ids import receiver_hash
from notifications.messages.words import Status, standing
from notifications.models import Category, Notification, StaffAction
from tests.desk import letter, row_of, unreadable
from users.people.models import Device, User

pytestmark = pytest.mark.django_db


def test_a_correction_is_what_will_be_sent() -> None:
    dead = letter(receiver="wrong@example.org", subject="Hi", message="Hello")
    changes = {"receiver": "right@example.com", "message": "Hello again", "subject": "Hi"}
    assert sorted(repair(dead.pk, "anna", changes, reason="she wrote")) == ["message", "receiver"]
    row = row_of(dead)
    assert (row.receiver, row.message, row.subject) == ("right@example.com", "Hello again", "Hi")
    assert row.receiver_hash == receiver_hash("EMAIL", "right@example.com")
    assert row.status == Status.DEAD
    dead.refresh_from_db()
    assert dead.state == DeadLetter.State.OPEN
    assert (dead.receiver_hash, dead.receiver_domain) == (row.receiver_hash, "example.com")


def test_the_first_receiver_still_finds_the_letter() -> None:
    dead = letter(receiver="first@example.org")
    for receiver in ("second@example.org", "third@example.org"):
        repair(dead.pk, "anna", {"receiver": receiver}, reason="she wrote")
        dead.refresh_from_db()
    assert dead.was_receiver_hash == receiver_hash("EMAIL", "first@example.org")
    assert dead.receiver_hash == receiver_hash("EMAIL", "third@example.org")
    assert dead in Selection(term="first@example.org").rows()


def test_the_record_has_both_receivers_masked_and_hashed() -> None:
    dead = letter(receiver="wrong@example.org", subject="Hi")
    repair(dead.pk, "anna", {"receiver": "right@example.org", "subject": "Ho"}, reason="she wrote")
    redirect, texts = StaffAction.objects.order_by("id")
    assert (redirect.actor, redirect.action, redirect.reason) == ("anna", "redirect", "she wrote")
    assert (redirect.before, redirect.after) == ("w…@example.org", "r…@example.org")
    assert redirect.before_hash == receiver_hash("EMAIL", "wrong@example.org")
    assert redirect.after_hash == receiver_hash("EMAIL", "right@example.org")
    assert (texts.action, texts.note, texts.before) == ("repair", "changed subject", "")
    assert {redirect.notification_id, texts.notification_id} == {dead.notification_id}


@pytest.mark.parametrize("user", ["u1", ""])
def test_a_redirect_to_an_unknown_address_needs_a_reason_and_is_flagged(user: str) -> None:
    dead = letter(receiver="old@example.org", user=user)
    with pytest.raises(Invalid) as refused:
        repair(dead.pk, "anna", {"receiver": "new@example.org"}, reason="  ")
    assert list(refused.value.errors) == ["reason"]
    assert row_of(dead).receiver == "old@example.org"
    repair(dead.pk, "anna", {"receiver": "new@example.org"}, reason="she called")
    assert StaffAction.objects.get().flagged


def test_a_redirect_to_a_device_of_the_person_needs_none() -> None:
    Device.objects.create(user=User.objects.create(username="u1"), channel="EMAIL", address="new@Example.org")
    Device.objects.create(user=User.objects.create(username="u2"), channel="EMAIL", address="other@example.org")
    dead = letter(receiver="old@example.org", user="u1")
    repair(dead.pk, "anna", {"receiver": "new@example.org"})
    assert not StaffAction.objects.get().flagged
    with pytest.raises(Invalid):  # a device of somebody else
        repair(dead.pk, "anna", {"receiver": "other@example.org"})


def test_nobody_changes_what_is_sensitive() -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    dead = letter(receiver="old@example.org", category="password-reset")
    for changes in ({"receiver": "new@example.org"}, {"message": "another"}):
        with pytest.raises(Invalid, match="sensitive"):
            repair(dead.pk, "anna", changes, reason="she called")
    assert row_of(dead).receiver == "old@example.org"
    assert not StaffAction.objects.exists()


def test_of_two_corrections_the_second_sees_the_first() -> None:
    dead = letter(message="one")
    seen = dead.changed_at
    repair(dead.pk, "anna", {"message": "two"}, seen=seen)
    with pytest.raises(NotRepaired, match="was corrected by anna"):
        repair(dead.pk, "bert", {"message": "three"}, seen=seen)
    assert row_of(dead).message == "two"


def test_a_correction_that_changes_nothing_records_nothing() -> None:
    dead = letter(message="Hello")
    assert repair(dead.pk, "anna", {"message": "Hello"}) == []
    assert not StaffAction.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"receiver": "no address"}, "receiver"),
        ({"receiver": "a@example.org, b@example.org"}, "receiver"),
        ({"receiver": ""}, "receiver"),
        ({"message": "  "}, "message"),
        ({"message": "x" * 300_000}, "message"),
        ({"message": "a\x00b"}, "message"),
        ({"subject": "two\nlines"}, "subject"),
        ({"message": "\x01" * 200_000}, "message"),
    ],
)
def test_a_correction_keeps_the_rules_of_the_intake(changes: dict[str, str], field: str) -> None:
    dead = letter(receiver="one@example.org")
    with pytest.raises(Invalid) as refused:
        repair(dead.pk, "anna", changes)
    assert list(refused.value.errors) == [field]
    assert row_of(dead).receiver == "one@example.org"
    assert not StaffAction.objects.exists()


def test_a_form_from_before_a_replay_is_refused() -> None:
    dead = letter()
    replay([dead.pk], "bert")
    with pytest.raises(NotRepaired, match="already replayed by bert"):
        repair(dead.pk, "anna", {"message": "late"}, generation=0)
    Notification.objects.filter(dead_letter=dead).update(**standing(Status.DEAD))
    DeadLetter.objects.filter(pk=dead.pk).update(state="open")
    with pytest.raises(NotRepaired, match="replayed meanwhile"):
        repair(dead.pk, "anna", {"message": "late"}, generation=0)
    assert repair(dead.pk, "anna", {"message": "in time"}, generation=1) == ["message"]


RECORD = {"v": 1, "id": "no id", "channel": "EMAIL", "receiver": "a@example.org", "message": "Hi", "client": "shop"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(RECORD),
        '{"type": "EMAIL", "receiver": "a@example.org", "message": "Hi"}',
        json.dumps(RECORD | {"user": "u1", "generation": 3, "accepted_at": "long ago", "expires_at": None}),
    ],
)
def test_a_corrected_record_becomes_a_new_notification(text: str) -> None:
    raw = unreadable(json.dumps(RECORD).encode())
    accepted = repair_unreadable(raw.pk, "anna", text)
    row = Notification.objects.get(pk=accepted)
    assert (row.channel, row.receiver, row.message, row.client) == ("EMAIL", "a@example.org", "Hi", "shop")
    raw.refresh_from_db()
    assert raw.state == DeadLetter.State.RESOLVED
    action = StaffAction.objects.get()
    assert (action.action, action.target, action.notification_id) == ("repair", f"dead letter {raw.pk}", accepted)
    assert DeadLetterEvent.objects.get().notification_id == accepted
    with pytest.raises(NotRepaired, match="already resolved"):
        repair_unreadable(raw.pk, "bert", text)
    assert Notification.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_second_try_after_a_failure_in_between_makes_no_second_notification(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = unreadable(b"{")
    text = '{"type": "EMAIL", "receiver": "a@example.org", "message": "Hi"}'
    [first] = accept(
        [_draft(text)], client="support", keys=[f"dead letter {raw.pk}"], keys_of=OURS
    ).ids  # what is left when the process dies before the letter is resolved
    with pytest.raises(Conflict):
        repair_unreadable(raw.pk, "anna", text.replace("Hi", "Ho"))
    assert repair_unreadable(raw.pk, "anna", text) == first


@pytest.mark.parametrize("record", [b'{"client": "shop"}', b"{"], ids=["the client's", "nobody's"])
def test_no_client_can_take_the_key_of_a_repair(record: bytes) -> None:
    raw = unreadable(record)
    text = '{"type": "EMAIL", "receiver": "a@example.org", "message": "Hi"}'
    client = client_of(record)
    [theirs] = accept([_draft(text.replace("Hi", "Ho"))], client=client, keys=[f"dead letter {raw.pk}"]).ids
    ours = repair_unreadable(raw.pk, "anna", text)
    assert ours != theirs
    assert Notification.objects.get(pk=ours).client == client


def _draft(text: str) -> Draft:
    return read_request(text.encode())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"type": "EMAIL"}', '{"channel": []}', '{"channel": "FAX", "message": "a"}']
)
def test_a_record_that_is_still_wrong_is_refused(text: str) -> None:
    raw = unreadable(b"{")
    with pytest.raises(Invalid):
        repair_unreadable(raw.pk, "anna", text)
    raw.refresh_from_db()
    assert raw.state == DeadLetter.State.OPEN


def test_raw_bytes_are_shown_as_text_whatever_they_are() -> None:
    assert raw_text(unreadable(b'{"a": "\xff\x00"}')) == '{"a": "\\xff\\x00"}'
    assert client_of(b'{"client": "shop"}') == "shop"
    assert client_of(b'{"client": 7}') == client_of(b"\xff") == client_of(b"[]") == "support"
