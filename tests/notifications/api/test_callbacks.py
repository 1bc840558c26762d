"""Callbacks: what is signed is stored once and has its effect; what is not leaves nothing behind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat
from django.http import HttpResponse
from hypothesis import HealthCheck, given, strategies
from hypothesis import settings as sparing
from pytest_django import DjangoAssertNumQueries, Settings

from notifications.channels.receipts import ReceiptType
from notifications.channels.sms import callbacks as twilio
from notifications.messages.words import SuppressedFor
from notifications.models import Receipt
from tests.caller import Api, json_of, stored
from tests.notifications.callbacks import (
    ANN,
    BOB,
    POSTMARK,
    PUBLIC_URL,
    SECRET,
    SID,
    TWILIO,
    form_body,
    login,
    postmark,
    signature,
    status_of,
    text_of,
)
from tests.notifications.rows import row
from users.recipients.models import Suppression

FORM = "application/x-www-form-urlencoded"
STATUS, INBOUND = "/callbacks/twilio/status", "/callbacks/twilio/inbound"
TRACKING = "/callbacks/anymail/postmark/tracking/"
ID = uuid_utils.compat.uuid7()


@pytest.fixture
def stranger(db: None, keys_required: None, settings: Settings) -> Api:
    """Somebody without an API key, at a site with Twilio and Postmark."""
    for name, value in (TWILIO | POSTMARK).items():
        setattr(settings, name, value)
    return Api()


def called(caller: Api, path: str, form: Mapping[str, str], signed: str | None = None) -> HttpResponse:
    """Makes a callback as Twilio does."""
    header = signature(f"{PUBLIC_URL}{path}", form) if signed is None else signed
    return caller.request("POST", path, form_body(form), content_type=FORM, X_Twilio_Signature=header)


def mailed(caller: Api, body: bytes, secret: str = SECRET, path: str = TRACKING) -> HttpResponse:
    """Makes a callback as Postmark does."""
    return caller.request("POST", path, body, Authorization=login(secret))


def receipts() -> list[tuple[str, UUID | None]]:
    return list(Receipt.objects.order_by("id").values_list("type", "notification_id"))


def suppressed() -> set[tuple[str, str]]:
    return set(Suppression.objects.in_force().values_list("channel", "reason"))


def refused(answer: HttpResponse, status: int) -> None:
    assert (answer.status_code, set(json_of(answer))) == (status, {"detail", "code"})
    assert stored() == {}


def test_a_text_that_was_delivered(stranger: Api) -> None:
    path = f"{STATUS}?{twilio.ID}={ID}"
    for status in ("queued", "sent", "delivered", "delivered"):
        answer = called(stranger, path, status_of(status))
        assert (answer.status_code, answer.content) == (204, b"")
    assert receipts() == [(ReceiptType.DELIVERED, ID)]
    assert suppressed() == set()


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("21614", ReceiptType.BOUNCED, {("SMS", SuppressedFor.BOUNCED)}),
        ("30003", ReceiptType.SOFT_BOUNCED, set()),
        ("21610", ReceiptType.OPTED_OUT, {("SMS", SuppressedFor.STOP)}),
        ("30007", ReceiptType.UNDELIVERED, set()),
        ("", ReceiptType.UNDELIVERED, set()),
        ("99999999999", ReceiptType.UNDELIVERED, set()),
        ("²", ReceiptType.UNDELIVERED, set()),
    ],
)
def test_a_text_that_was_not(stranger: Api, code: str, kind: ReceiptType, reason: set[Any]) -> None:
    form = status_of("undelivered", ErrorCode=code, ErrorMessage=f"nobody at {BOB}\x00")
    assert called(stranger, STATUS, form).status_code == 204
    assert receipts() == [(kind, None)]
    assert suppressed() == reason
    assert BOB[3:] not in Receipt.objects.get().detail


@pytest.mark.parametrize(
    "text",
    ["STOP", "stop", " Stop! ", "StopAll", "UNSUBSCRIBE", "Cancel.", "end", "Quit", "REVOKE", "opt-out", "Arrêt"],
)
def test_a_stop_word_suppresses_and_start_lifts_that_alone(stranger: Api, text: str) -> None:
    called(stranger, STATUS, status_of("failed", ErrorCode="21614"))
    assert called(stranger, INBOUND, text_of(text)).status_code == 204
    assert suppressed() == {("SMS", SuppressedFor.STOP), ("SMS", SuppressedFor.BOUNCED)}
    assert called(stranger, INBOUND, text_of("UNSTOP", f"SM{'b2' * 16}")).status_code == 204
    assert suppressed() == {("SMS", SuppressedFor.BOUNCED)}


@pytest.mark.parametrize("text", ["Please do not stop", "Stop by at five", "", "yes please", "START" * 100, "é" * 2000])
def test_another_text_is_not_kept(stranger: Api, text: str) -> None:
    assert called(stranger, INBOUND, text_of(text)).status_code == 204
    assert stored() == {}


def test_the_account_may_decide_what_stops(stranger: Api) -> None:
    assert called(stranger, INBOUND, text_of("Genug jetzt", OptOutType="STOP")).status_code == 204
    assert suppressed() == {("SMS", SuppressedFor.STOP)}
    assert called(stranger, INBOUND, text_of("STOP", f"SM{'c3' * 16}", OptOutType="HELP")).status_code == 204
    assert Receipt.objects.count() == 1


def test_forged_and_unsigned_texts_leave_nothing(
    stranger: Api, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    form = text_of("STOP")
    elsewhere = signature(f"https://other.example.com{INBOUND}", form)
    with django_assert_num_queries(0):
        answers = [called(stranger, INBOUND, form, signed) for signed in ("", "x", "é", "A" * 28, elsewhere)]
        answers.append(called(stranger, INBOUND, form, signature(f"{PUBLIC_URL}{STATUS}", form)))
        answers.append(called(stranger, f"{INBOUND}?n=1", form, signature(f"{PUBLIC_URL}{INBOUND}", form)))
        answers.append(called(stranger, INBOUND, form | {"From": ANN}, signature(f"{PUBLIC_URL}{INBOUND}", form)))
        answers.append(called(stranger, INBOUND, form, signature(f"{PUBLIC_URL}{INBOUND}", form, "another token")))
    for answer in answers:
        refused(answer, 403)


def test_the_host_of_the_request_does_not_matter(stranger: Api) -> None:
    header = signature(f"{PUBLIC_URL}{INBOUND}", text_of("STOP"))
    named = {"X_Twilio_Signature": header, "Host": "127.0.0.1:8020", "X_Forwarded_Host": "other.example.com"}
    answer = stranger.request("POST", INBOUND, form_body(text_of("STOP")), content_type=FORM, **named)
    assert answer.status_code == 204


@pytest.mark.parametrize("missing", ["PUBLIC_URL", "TWILIO_AUTH_TOKEN"])
def test_without_a_url_or_a_token_there_is_no_such_call(stranger: Api, settings: Settings, missing: str) -> None:
    setattr(settings, missing, "")
    form = text_of("STOP")
    refused(called(stranger, INBOUND, form, signature(INBOUND, form, "")), 404)


def test_what_is_too_large_or_not_a_form(stranger: Api) -> None:
    refused(called(stranger, INBOUND, text_of("x" * 70_000)), 413)
    refused(called(stranger, INBOUND, {f"f{n}": "" for n in range(101)}), 400)
    refused(called(stranger, INBOUND, {f"f{n}": "" for n in range(2_000)}), 400)
    refused(called(stranger, INBOUND, text_of("STOP", "no id")), 400)
    refused(called(stranger, STATUS, status_of(MessageSid="x" * 300)), 400)
    refused(stranger.post(INBOUND, text_of("STOP")), 415)
    assert called(stranger, INBOUND, text_of("STOP", From="whatsapp:+14155550123")).status_code == 204
    assert called(stranger, STATUS, status_of("delivered", To="x" * 5_000)).status_code == 204
    assert stored() == {}
    assert stranger.get(INBOUND).status_code == 405


@pytest.mark.parametrize(
    ("kind", "fields", "type", "reason"),
    [
        ("Delivery", {}, ReceiptType.DELIVERED, set()),
        ("SpamComplaint", {"Type": "SpamComplaint"}, ReceiptType.COMPLAINED, {("EMAIL", SuppressedFor.COMPLAINED)}),
        ("Bounce", {"Type": "HardBounce"}, ReceiptType.BOUNCED, {("EMAIL", SuppressedFor.BOUNCED)}),
        ("Bounce", {"Type": "SoftBounce"}, ReceiptType.SOFT_BOUNCED, set()),
        ("Bounce", {"Type": "Blocked"}, ReceiptType.UNDELIVERED, set()),
        ("Bounce", {"Type": "BadEmailAddress"}, ReceiptType.BOUNCED, {("EMAIL", SuppressedFor.BOUNCED)}),
        (
            *("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "ManualSuppression"}),
            *(ReceiptType.UNSUBSCRIBED, {("EMAIL", SuppressedFor.UNSUBSCRIBED)}),
        ),
        (
            *("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "HardBounce"}),
            *(ReceiptType.BOUNCED, {("EMAIL", SuppressedFor.BOUNCED)}),
        ),
    ],
)
def test_what_a_mail_provider_tells(
    stranger: Api, kind: str, fields: dict[str, Any], type: ReceiptType, reason: set[Any]
) -> None:
    body = postmark(kind, Metadata={"notification_id": str(ID)}, Details=f"about {ANN}", **fields)
    for _ in range(2):
        answer = mailed(stranger, body)
        assert (answer.status_code, answer.content) == (200, b"")
    assert receipts() == [(type, ID)]
    assert suppressed() == reason
    assert "ann" not in Receipt.objects.get().detail


def test_a_mail_whose_id_did_not_come_back_is_found_by_receiver_and_message(stranger: Api) -> None:
    sent = row(receiver=ANN, provider_message_id=json.loads(postmark("Delivery"))["MessageID"])
    odd: list[Any] = [None, [], {"notification_id": "x"}, {"notification_id": None}]
    for metadata in odd:
        Receipt.objects.all().delete()
        assert mailed(stranger, postmark("Delivery", Metadata=metadata)).status_code in (200, 400)
    assert mailed(stranger, postmark("Delivery")).status_code == 200
    assert receipts() == [(ReceiptType.DELIVERED, sent.pk)]


@pytest.mark.parametrize("kind", ["Open", "Click", "Unheard-of"])
def test_who_opens_a_mail_is_not_kept(stranger: Api, kind: str) -> None:
    assert mailed(stranger, postmark(kind)).status_code == 200
    assert stored() == {}


def test_forged_mail_events_leave_nothing(stranger: Api, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    bounce = postmark("Bounce", Type="HardBounce")
    with django_assert_num_queries(0):
        without = stranger.request("POST", TRACKING, bounce)
        wrong = [mailed(stranger, bounce, secret) for secret in ("", "events:", "events:wrong", "é:é")]
    assert without.headers["WWW-Authenticate"].startswith("Basic ")
    refused(without, 401)
    for answer in wrong:
        refused(answer, 403)


@pytest.mark.parametrize("provider", ["mailgun", "amazon_ses", "nobody", "..", "postmark%0a", "POSTMARK"])
def test_a_provider_that_is_not_ours(stranger: Api, provider: str) -> None:
    refused(mailed(stranger, postmark("Delivery"), path=f"/callbacks/anymail/{provider}/tracking/"), 404)


def test_without_a_secret_there_is_no_such_call(stranger: Api, settings: Settings) -> None:
    settings.ANYMAIL = {"POSTMARK_SERVER_TOKEN": "x"}
    refused(stranger.request("POST", TRACKING, postmark("Delivery")), 404)
    assert stranger.request("HEAD", TRACKING).status_code == 404


def test_some_providers_ask_first_whether_it_is_there(stranger: Api) -> None:
    assert stranger.request("HEAD", TRACKING).status_code == 200
    assert stranger.get(TRACKING).status_code == 405
    assert stored() == {}


def test_too_many_events_or_bytes(stranger: Api, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "anymail.backends.sparkpost.EmailBackend"
    path = "/callbacks/anymail/sparkpost/tracking/"

    def events(count: int) -> bytes:
        each = {"type": "bounce", "bounce_class": "10", "raw_rcpt_to": ANN, "timestamp": "1700000000"}
        return json.dumps(
            [{"msys": {"message_event": each | {"transmission_id": str(n)}}} for n in range(count)]
        ).encode()

    refused(mailed(stranger, events(1_001), path=path), 413)
    refused(mailed(stranger, b" " * 1_100_000, path=path), 413)
    assert mailed(stranger, events(1_000), path=path).status_code == 200
    assert Receipt.objects.count() == 1_000


BODIES = [
    *(b"", b"{}", b"[]", b"null", b"1", b'"x"', b"\xff", b"{", b"[" * 100_000, b'{"a":' * 100_000),
    postmark("Bounce", Type=[], Details=5, Metadata=3),
    postmark("Bounce", Recipient={}, Email=[1]),
    postmark("Bounce", BouncedAt=7),
    postmark("Bounce", BouncedAt="yesterday"),
    postmark("Delivery", MessageID=None),
    postmark("Delivery", MessageID="x" * 10_000),
    postmark("Delivery", Email="x" * 100_000 + "@example.com"),
    postmark("Inbound"),
]


@pytest.mark.parametrize("body", BODIES)
def test_odd_bodies_are_never_our_fault(stranger: Api, body: bytes) -> None:
    assert mailed(stranger, body).status_code in (200, 400)


VALUES: strategies.SearchStrategy[Any] = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda each: strategies.lists(each, max_size=3) | strategies.dictionaries(strategies.text(), each, max_size=3),
    max_leaves=8,
)
NAMES = ["Type", "Details", "Description", "Metadata", "MessageID", "Email", "Recipient", "BouncedAt", "DeliveredAt"]


@sparing(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(strategies.dictionaries(strategies.sampled_from(NAMES), VALUES), strategies.sampled_from(["Delivery", "Bounce"]))
def test_whatever_a_provider_writes_is_answered(stranger: Api, fields: dict[str, Any], kind: str) -> None:
    assert mailed(stranger, postmark(kind, **fields)).status_code in (200, 400)


@sparing(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(strategies.dictionaries(strategies.sampled_from(["To", "MessageStatus", "ErrorCode", "n"]), strategies.text()))
def test_whatever_twilio_writes_is_answered(stranger: Api, fields: dict[str, str]) -> None:
    form = status_of("undelivered") | {name: text.encode("utf-8", "replace").decode() for name, text in fields.items()}
    assert called(stranger, STATUS, form).status_code in (204, 400)


def test_a_notification_shows_what_became_of_it(api: Api, settings: Settings) -> None:
    for name, value in POSTMARK.items():
        setattr(settings, name, value)
    sent = row(client="shop")
    assert json_of(api.get(f"/notification/{sent.pk}"))["delivery"] is None
    for kind in ("Bounce", "Delivery"):
        mailed(Api(), postmark(kind, Type="HardBounce", Metadata={"notification_id": str(sent.pk)}))
    shown = json_of(api.get(f"/notification/{sent.pk}"))["delivery"]
    assert shown == {"state": "bounced", "at": "2026-11-05T16:33:54.907025Z"}


def test_the_calls_are_not_in_the_description(api: Api) -> None:
    assert not [path for path in json_of(api.get("/schema"))["paths"] if "callbacks" in path]


def test_the_ids_of_messages_are_bounded(stranger: Api) -> None:
    assert called(stranger, STATUS, status_of("delivered", MessageSid=SID)).status_code == 204
    assert Receipt.objects.get().provider_message_id == SID
