"""SMS: what goes over the wire, checked against Twilio's published description of "create message".

The names below are out of twilio/twilio-oai at d50069b (CreateMessageRequest and api.v2010.account.message).
"""

from __future__ import annotations

import gzip
import re

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from harness.fakes.twilio import TwilioFake
from notifications.channels.outcomes import Cause, Outcome, SendError
from notifications.channels.sms.twilio import Twilio
from notifications.channels.transport.http import Http
from tests.notifications.channels.parts import Note

PARAMETERS = {
    "To", "From", "MessagingServiceSid", "Body", "MediaUrl", "ContentSid", "StatusCallback", "ApplicationSid",
    "ValidityPeriod", "Attempt", "SmartEncoded",
}  # fmt: skip
FIELDS = {
    "body", "num_segments", "direction", "from", "to", "date_updated", "price", "error_message", "uri", "account_sid",
    "num_media", "status", "messaging_service_sid", "sid", "date_sent", "date_created", "error_code", "price_unit",
    "api_version", "subresource_uris",
}  # fmt: skip
SID = re.compile(r"(SM|MM)[0-9a-fA-F]{32}")
NUMBER = "+14155550123"


def sms(fake: TwilioFake, *, sender: str = "+14155550100", token: str = "") -> Twilio:
    return Twilio(Http(5), account=fake.account, token=token or fake.token, sender=sender, base_url=fake.url)


def test_a_text_as_twilio_gets_it() -> None:
    with TwilioFake() as fake:
        sid = sms(fake).send(Note(NUMBER, "1 + 1 = 2 & Grüße 😀\nbye"))
        request, answer = fake.requests[0], fake.answers[0]
    assert (request.method, request.path) == ("POST", f"/2010-04-01/Accounts/{fake.account}/Messages.json")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.form() == {"To": NUMBER, "From": "+14155550100", "Body": "1 + 1 = 2 & Grüße 😀\nbye"}
    assert set(request.form()) <= PARAMETERS
    assert sid == answer["sid"]


def test_a_messaging_service_goes_where_twilio_wants_it() -> None:
    with TwilioFake() as fake:
        sms(fake, sender="MG" + "0" * 32).send(Note(NUMBER))
        assert fake.requests[0].form() == {"To": NUMBER, "MessagingServiceSid": "MG" + "0" * 32, "Body": "Hello World"}


def test_the_fake_answers_as_twilio_describes() -> None:
    with TwilioFake() as fake:
        sms(fake).send(Note(NUMBER))
        assert set(fake.answers[0]) == FIELDS
        assert SID.fullmatch(fake.answers[0]["sid"])
        assert fake.answers[0]["status"] == "queued"


def test_a_wrong_token_is_our_fault_and_not_the_notifications() -> None:
    with TwilioFake() as fake:
        with pytest.raises(SendError) as caught:
            sms(fake, token="wrong").send(Note(NUMBER))
        assert (caught.value.cause, caught.value.outcome) == (Cause.CREDENTIALS, Outcome.TRANSIENT)


def test_staff_do_not_see_the_number_that_twilio_repeats() -> None:
    with TwilioFake() as fake:
        fake.answer(NUMBER, status=400, code=21211)
        with pytest.raises(SendError) as caught:
            sms(fake).send(Note(NUMBER))
        assert caught.value.detail == "400 21211 What went wrong with …, in words"


def test_what_is_no_number_is_not_sent() -> None:
    with TwilioFake() as fake:
        with pytest.raises(SendError) as caught:
            sms(fake).send(Note("whatsapp:+14155550123"))
        assert (caught.value.cause, caught.value.permanent) == (Cause.INVALID_RECEIVER, True)
        assert fake.connections == 0


UNREADABLE = [b"<html>", b"[]", b"", b'{"sid": "SM12', b'{"sid": null}', gzip.compress(b'{"sid": "SM"}', mtime=0)]


@pytest.mark.parametrize("body", UNREADABLE)
def test_a_201_says_that_the_text_exists_whatever_can_be_read_of_it(body: bytes) -> None:
    with TwilioFake() as fake:
        fake.answer(body=body)
        assert sms(fake).send(Note(NUMBER)) == ""
        assert len(fake.accepted) == 1


@pytest.mark.parametrize("body", UNREADABLE)
def test_another_success_without_an_id_is_uncertain(body: bytes) -> None:
    with TwilioFake() as fake:
        fake.answer(accepted=200, body=body)
        with pytest.raises(SendError) as caught:
            sms(fake).send(Note(NUMBER))
        assert caught.value.uncertain


@pytest.mark.parametrize("missing", ["TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"])
def test_without_settings_it_names_them(missing: str, settings: Settings) -> None:
    for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"):
        setattr(settings, name, "" if name == missing else "something")
    with pytest.raises(ImproperlyConfigured, match=missing):
        Twilio.from_settings()
    setattr(settings, missing, "something")
    assert Twilio.from_settings().name == "twilio"


@pytest.mark.parametrize("public_url", ["", "http://127.0.0.1:8020", "https://notify.example.com"])
def test_twilio_is_asked_to_tell_only_at_a_public_url(public_url: str, settings: Settings) -> None:
    note = Note(NUMBER)
    with TwilioFake() as fake:
        settings.PUBLIC_URL, settings.TWILIO_FROM, settings.TWILIO_BASE_URL = public_url, "+14155550100", fake.url
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = fake.account, fake.token
        Twilio.from_settings().send(note)
        (request,) = fake.requests
    url = f"https://notify.example.com/callbacks/twilio/status?n={note.id}" if "https" in public_url else None
    assert request.form().get("StatusCallback") == url
    assert set(request.form()) <= PARAMETERS
