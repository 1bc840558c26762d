"""Amazon's callbacks: signed by Amazon or refused, and nothing is fetched but from Amazon."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django.http import HttpResponse
from pytest_django import Settings

from notifications.channels.email import sns
from notifications.channels.outcomes import Cause, SendError
from notifications.channels.receipts import ReceiptType
from notifications.channels.transport.answer import Answer
from notifications.channels.transport.blocking import BlockingHttp
from notifications.models import Receipt
from tests.caller import Api, json_of, stored
from tests.notifications.callbacks import ANN, SECRET, login

PATH = "/callbacks/anymail/amazon_ses/tracking/"
CERTIFICATE = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=arn:aws:sns:x:1:t&Token=2336"
KEY = rsa.generate_private_key(65537, 2048)
HASHES = {"1": hashes.SHA1, "2": hashes.SHA256}  # by the version of Amazon's signature
BOUNCE = {
    "notificationType": "Bounce",
    "mail": {"messageId": "0107", "destination": [ANN], "timestamp": "2026-11-05T16:33:54.000Z"},
    "bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [{"emailAddress": ANN, "diagnosticCode": "smtp; 550 5.1.1 user unknown"}],
    },
}


def certificate(days: int = 1) -> bytes:
    """A certificate for KEY that is valid for so many days from now on."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEY.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(days=9)).not_valid_after(now + timedelta(days=days))
    return made.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Amazon:
    """What is fetched, and what is there."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.certificate = certificate()
        self.status = 200
        self.reachable = True

    def get(self, url: str, _headers: object) -> Answer:
        self.asked.append(url)
        if not self.reachable:
            raise SendError(Cause.CONNECTION, "No connection.")
        return Answer(self.status, {}, self.certificate if url.endswith(".pem") else b"<ok/>")


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Amazon:
    """A site that sends over SES. boto3, with which it sends, is not installed here."""
    found = Amazon()
    sns._key.cache_clear()
    monkeypatch.setattr(BlockingHttp, "get", lambda _, *given: found.get(*given))
    monkeypatch.setattr("anymail.webhooks.amazon_ses._get_anymail_boto3_params", lambda **_: ({}, {}))
    settings.EMAIL_BACKEND = "anymail.backends.amazon_ses.EmailBackend"
    settings.ANYMAIL = {"WEBHOOK_SECRET": SECRET}
    return found


@pytest.fixture
def stranger(db: None, keys_required: None) -> Api:
    return Api()


def message(kind: str = "Notification", version: str = "1", **fields: Any) -> dict[str, Any]:
    """A message of SNS, signed as its documentation says."""
    given = {
        "Type": kind,
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:t",
        "Message": json.dumps(BOUNCE),
        "Timestamp": "2026-11-05T16:33:55.000Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    } | fields
    names = ["Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type"]
    signed = "".join(f"{name}\n{given[name]}\n" for name in names if name in given)
    signature = KEY.sign(signed.encode(), padding.PKCS1v15(), HASHES[version]())
    return given | {"Signature": base64.b64encode(signature).decode()}


def question(**fields: Any) -> dict[str, Any]:
    """The question that SNS asks first."""
    return message("SubscriptionConfirmation", **{"SubscribeURL": SUBSCRIBE, "Token": "2336"} | fields)


def called(caller: Api, sent: dict[str, Any], secret: str = SECRET) -> HttpResponse:
    headers = {"X_Amz_Sns_Message_Type": str(sent.get("Type")), "X_Amz_Sns_Message_Id": str(sent.get("MessageId"))}
    body = json.dumps(sent).encode()
    kind = "text/plain; charset=UTF-8"
    return caller.request("POST", PATH, body, content_type=kind, Authorization=login(secret), **headers)


@pytest.mark.parametrize("version", ["1", "2"])
def test_what_amazon_signed_is_stored_and_its_certificate_fetched_once(
    stranger: Api, amazon: Amazon, version: str
) -> None:
    for _ in range(3):
        assert called(stranger, message(version=version)).status_code == 200
    assert called(stranger, message(version=version, Subject="Amazon SES")).status_code == 200
    assert list(Receipt.objects.values_list("provider", "type")) == [("amazon ses", ReceiptType.BOUNCED)]
    assert amazon.asked == [CERTIFICATE]


def changed(**fields: Any) -> Callable[[], dict[str, Any]]:
    """A message that was changed after it was signed."""
    return lambda: message() | fields


FORGED: dict[str, Callable[[], dict[str, Any]]] = {
    "another text": changed(Message=json.dumps(BOUNCE | {"x": 1})),
    "no signature": changed(Signature=""),
    "not base64": changed(Signature="é"),
    "an unknown version": changed(SignatureVersion="3"),
    "an unknown type": changed(Type="Other"),
}
ELSEWHERE = [
    "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-01.pem",
    "https://sns.eu-central-1.amazonaws.com.example.com/SimpleNotificationService-01.pem",
    "https://sns.eu-central-1.amazonaws.com@example.com/SimpleNotificationService-01.pem",
    "https://sns.eu-central-1.amazonaws.com:8443/SimpleNotificationService-01.pem",
    "https://example.com/SimpleNotificationService-01.pem?sns.eu-central-1.amazonaws.com",
    "https://s3.amazonaws.com/mine/SimpleNotificationService-01.pem",
    "https://sns.eu-central-1.amazonaws.com/../mine.pem",
    "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription",
    "https://127.0.0.1/SimpleNotificationService-01.pem",
    "https://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "",
]


@pytest.mark.parametrize("name", FORGED)
def test_forged_ones_leave_nothing(stranger: Api, amazon: Amazon, name: str) -> None:
    assert called(stranger, FORGED[name]()).status_code in (400, 403)
    assert stored() == {}


@pytest.mark.parametrize("url", ELSEWHERE)
def test_nothing_is_fetched_but_from_amazon(stranger: Api, amazon: Amazon, url: str) -> None:
    assert called(stranger, message(SigningCertURL=url)).status_code == 403
    assert amazon.asked == []
    assert called(stranger, question(SubscribeURL=url)).status_code == 403
    assert amazon.asked == [CERTIFICATE]
    assert stored() == {}


def test_without_the_secret_nothing_is_fetched(stranger: Api, amazon: Amazon) -> None:
    assert called(stranger, message(), "events:wrong").status_code == 403
    assert called(stranger, question(), "events:wrong").status_code == 403
    assert stranger.request("POST", PATH, json.dumps(message()).encode()).status_code == 401
    assert amazon.asked == []


def test_headers_that_name_another_message(stranger: Api, amazon: Amazon) -> None:
    body = json.dumps(message()).encode()
    assert stranger.request("POST", PATH, body, Authorization=login()).status_code == 403
    assert amazon.asked == []


def test_the_question_of_amazon_is_answered(stranger: Api, amazon: Amazon) -> None:
    assert called(stranger, question()).status_code == 200
    assert amazon.asked == [CERTIFICATE, SUBSCRIBE]
    farewell = message("UnsubscribeConfirmation", SubscribeURL=SUBSCRIBE, Token="2336")
    assert called(stranger, farewell).status_code == 200
    assert amazon.asked == [CERTIFICATE, SUBSCRIBE]
    assert stored() == {}


@pytest.mark.parametrize(("status", "reachable"), [(404, True), (302, True), (200, False)])
def test_amazon_is_asked_again_where_it_cannot_be_reached(
    stranger: Api, amazon: Amazon, status: int, reachable: bool
) -> None:
    amazon.status, amazon.reachable = status, reachable
    answer = called(stranger, message())
    assert (answer.status_code, json_of(answer)["code"]) == (503, "unavailable")
    amazon.status, amazon.reachable = 200, True
    assert called(stranger, message()).status_code == 200
    assert len(amazon.asked) == 2


@pytest.mark.parametrize("found", [b"", b"no certificate", certificate(-1)])
def test_a_certificate_that_is_none(stranger: Api, amazon: Amazon, found: bytes) -> None:
    amazon.certificate = found
    assert called(stranger, message()).status_code in (400, 403)
    assert stored() == {}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", json.dumps({"notificationType": "Bounce"}), "[" * 100_000])
def test_odd_messages_are_never_our_fault(stranger: Api, amazon: Amazon, text: str) -> None:
    assert called(stranger, message(Message=text)).status_code == 400
    assert stored() == {}


def test_without_its_library_there_is_no_such_call(
    stranger: Api, amazon: Amazon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    assert called(stranger, message()).status_code == 404
    assert amazon.asked == []
