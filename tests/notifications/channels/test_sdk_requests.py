"""Our requests ask for the same as those of the providers' own SDKs, at a fake that keeps both."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from slack_sdk import WebClient
from twilio.rest import Client

from harness.fakes.slack import SlackFake
from harness.fakes.twilio import TwilioFake
from harness.fakes.web import Request
from notifications.channels.slack.web_api import SlackApi, escape
from notifications.channels.sms.twilio import Twilio
from notifications.channels.transport.http import Http
from tests.notifications.channels.parts import Note

CALLBACK = "https://notify.example.com/base/callbacks/twilio/status"
ID = uuid4()
TEXT = "1 + 1 = 2 & Grüße 😀 <b>\nbye"


def place(request: Request) -> tuple[str, str, str, str]:
    """Where a request goes, in whose name, and what kind of body it has."""
    kind = request.headers["content-type"].replace(" ", "")
    return request.method, request.path, request.headers["authorization"], kind


@pytest.mark.parametrize(
    ("sender", "callback", "named"),
    [
        ("+14155550100", "", {"from_": "+14155550100"}),
        ("MG" + "0" * 32, "", {"messaging_service_sid": "MG" + "0" * 32}),
        ("+14155550100", CALLBACK, {"from_": "+14155550100", "status_callback": f"{CALLBACK}?n={ID}"}),
    ],
)
def test_twilio(sender: str, callback: str, named: dict[str, Any]) -> None:
    with TwilioFake() as fake:
        sdk = Client(fake.account, fake.token)
        sdk.api.base_url = fake.url
        sdk.messages.create(to="+14155550123", body=TEXT, **named)
        account = {"account": fake.account, "token": fake.token, "base_url": fake.url}
        ours = Twilio(Http(5), sender=sender, callback=callback, **account)
        ours.send(Note("+14155550123", TEXT, id=ID))
        theirs, mine = fake.requests
    assert place(mine) == place(theirs)
    assert mine.form() == theirs.form()
    assert mine.headers["accept"] == theirs.headers["accept"]


def test_slack() -> None:
    with SlackFake() as fake:
        WebClient(token=fake.token, base_url=fake.api_url).chat_postMessage(channel="C024BE91L", text=escape(TEXT))
        SlackApi(Http(5), token=fake.token, base_url=fake.api_url).send(Note("C024BE91L", TEXT))
        theirs, mine = fake.requests
    assert place(mine) == place(theirs)
    assert mine.json() == theirs.json()
