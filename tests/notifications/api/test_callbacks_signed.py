"""What a provider signed is what is checked: its own bytes and its own URL, whatever a proxy makes of the call.

Those of Twilio were made with `openssl dgst`, and not by any program that checks them here.
"""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from itertools import permutations
from urllib.parse import quote, quote_plus

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.http import HttpResponse
from pytest_django import Settings

from notifications.channels.receipts import DeliveryState, ReceiptType
from notifications.channels.sms import callbacks as twilio
from notifications.ledger.receipts import delivery_of
from notifications.models import Receipt
from tests.caller import Api, stored
from tests.notifications.api.test_callbacks import FORM, ID, INBOUND, STATUS, called, stranger, suppressed
from tests.notifications.callbacks import ANN, BOB, PUBLIC_URL, SID, signature, status_of

__all__ = ["stranger"]  # a fixture

TEXT = "Arrêt "
QUERY = "a=caf%C3%A9&b=x+y&c=x%20y"
SIGNED = {"": "inPQRMbveVZkxRHjfqxu58obmtI=", f"?{QUERY}": "WglCzGqLl5o7gFCan4aFv2qfK3o="}  # by the query
PROXY = {"Host": "127.0.0.1:8020", "X_Forwarded_Proto": "https", "X_Forwarded_For": "203.0.113.7"}  # as nginx says it
KEY = ec.generate_private_key(ec.SECP256R1())
SENDGRID, MANDRILL = "/callbacks/anymail/sendgrid/tracking/", "/callbacks/anymail/mandrill/tracking/"


def test_our_signatures_are_those_of_twilios_documentation() -> None:
    form = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234"}
    form |= {"From": "+14158675309", "To": "+18005551212"}
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature(url, form, "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize("query", SIGNED)
@pytest.mark.parametrize("encode", [quote, quote_plus], ids=["percent", "plus"])
def test_a_text_with_accents_and_blanks_behind_a_proxy(stranger: Api, query: str, encode: Callable[[str], str]) -> None:
    fields = {"To": "+14155550100", "MessageSid": SID, "Body": TEXT, "From": BOB}
    body = "&".join(f"{name}={encode(text)}" for name, text in fields.items()).encode()

    def call(path: str, signed: str) -> HttpResponse:
        return stranger.request("POST", path, body, content_type=FORM, X_Twilio_Signature=signed, **PROXY)

    for other in (f"?{QUERY.replace('+', '%20')}", "?a=caf%c3%a9", f"{query or '?'}&d="):
        assert call(INBOUND + other, SIGNED[query]).status_code == 403
    assert stored() == {}
    assert call(INBOUND + query, SIGNED[query]).status_code == 204
    assert suppressed() == {("SMS", "stop")}


def sendgrid(**fields: object) -> bytes:
    """An event, as no library of ours would write it: with blanks, in an order of its own, accents as they are."""
    about = {"timestamp": 1780000000, "sg_event_id": "1", "event": "bounce", "email": ANN, "anymail_id": "m1"}
    about |= {"reason": "550 5.1.1 unbekannter Empfänger"}
    return (json.dumps([about | fields], ensure_ascii=False, indent=3) + "\r\n").encode()


def call_as_sendgrid(caller: Api, body: bytes, signed: bytes | None = None) -> HttpResponse:
    made = KEY.sign(b"1780000001" + (body if signed is None else signed), ec.ECDSA(hashes.SHA256()))
    headers = {"X_Twilio_Email_Event_Webhook_Signature": base64.b64encode(made).decode()}
    headers["X_Twilio_Email_Event_Webhook_Timestamp"] = "1780000001"
    return caller.request("POST", SENDGRID, body, **headers, **PROXY)


@pytest.fixture
def _sendgrid(stranger: Api, settings: Settings) -> None:
    public = KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    settings.EMAIL_BACKEND = "anymail.backends.sendgrid.EmailBackend"
    key = base64.b64encode(public).decode()
    settings.ANYMAIL = {"SENDGRID_TRACKING_WEBHOOK_VERIFICATION_KEY": key, "SENDGRID_API_KEY": "x"}


@pytest.mark.usefixtures("_sendgrid")
@pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid")
def test_bytes_that_were_written_anew_are_not_what_was_signed(stranger: Api) -> None:
    body = sendgrid()
    again = json.dumps(json.loads(body)).encode()
    for sent, signed in ((again, body), (body, again), (body[:-2], body)):
        assert call_as_sendgrid(stranger, sent, signed).status_code == 403
    assert stored() == {}
    assert call_as_sendgrid(stranger, body).status_code == 200
    assert Receipt.objects.get().type == ReceiptType.BOUNCED


@pytest.mark.usefixtures("_sendgrid")
@pytest.mark.filterwarnings("ignore:django-anymail has dropped official support for SendGrid")
def test_an_event_that_comes_again_under_another_id_is_the_same(stranger: Api) -> None:
    for id in ("1", "2", "3"):
        assert call_as_sendgrid(stranger, sendgrid(sg_event_id=id)).status_code == 200
    assert Receipt.objects.count() == 1
    assert call_as_sendgrid(stranger, sendgrid(sg_event_id="4", anymail_id="m2")).status_code == 200
    assert Receipt.objects.count() == 2


@pytest.mark.parametrize(("url", "status"), [(PUBLIC_URL, 200), ("http://127.0.0.1:8020", 403)])
def test_who_signs_the_url_signs_the_public_one(stranger: Api, settings: Settings, url: str, status: int) -> None:
    """Mandrill, which calls through a proxy that ends TLS and passes another host on."""
    settings.EMAIL_BACKEND = "anymail.backends.mandrill.EmailBackend"
    settings.ANYMAIL = {"MANDRILL_WEBHOOK_KEY": "a key", "MANDRILL_API_KEY": "x"}
    settings.ALLOWED_HOSTS = ["127.0.0.1", "notify.example.com"]
    event = {"event": "hard_bounce", "ts": 1780000000, "_id": "m1", "msg": {"email": ANN, "diag": "é & ü"}}
    events = json.dumps([event], ensure_ascii=False)
    made = hmac.digest(b"a key", f"{url}{MANDRILL}mandrill_events{events}".encode(), "sha1")
    headers = {"X_Mandrill_Signature": base64.b64encode(made).decode()} | PROXY
    body = f"mandrill_events={quote_plus(events)}".encode()
    assert stranger.request("POST", MANDRILL, body, content_type=FORM, **headers).status_code == status
    assert Receipt.objects.count() == (status == 200)


@pytest.mark.parametrize("order", list(permutations(("sent", "delivered", "undelivered"))))
def test_whatever_comes_last_the_highest_state_stays(stranger: Api, order: tuple[str, ...]) -> None:
    """Twilio's `sent` may come after `delivered`, each of them more than once."""
    for status in (*order, *order):
        assert called(stranger, f"{STATUS}?{twilio.ID}={ID}", status_of(status)).status_code == 204
    found = delivery_of(ID)
    assert found is not None
    assert found.state is DeliveryState.BOUNCED
    assert Receipt.objects.count() == 2
