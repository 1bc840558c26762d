"""Which answers say something lasting of an address, and above all which do not."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from harness.fakes.slack import SlackFake
from harness.fakes.twilio import TwilioFake
from notifications.channels.outcomes import Bounce, SendError
from notifications.channels.slack.web_api import SlackApi
from notifications.channels.sms import twilio_codes
from notifications.channels.sms.twilio import Twilio
from notifications.channels.transport.http import Http
from notifications.channels.transport.smtp.replies import Phase, refusal
from tests.notifications.channels.parts import Note


@pytest.mark.parametrize(
    ("phase", "reply", "bounce"),
    [
        ("rcpt", "550 5.1.1 <bob@example.com>: Recipient address rejected: User unknown", Bounce.HARD),
        ("rcpt", "550 5.1.2 No such domain", Bounce.HARD),
        ("rcpt", "553 5.1.3 Bad syntax", Bounce.HARD),
        ("rcpt", "550 5.1.6 Moved", Bounce.HARD),
        ("rcpt", "556 5.1.10 The domain takes no mail", Bounce.HARD),
        ("rcpt", "550 5.2.1 Disabled", Bounce.SOFT),
        ("rcpt", "552 5.2.2 Over quota", Bounce.SOFT),
        ("dot", "552 5.2.2 Over quota", Bounce.SOFT),
        ("rcpt", "452 4.2.2 Over quota", Bounce.SOFT),
        ("rcpt", "450 4.2.1 Try later", Bounce.SOFT),
        ("rcpt", "450 4.1.1 Unverified", Bounce.SOFT),
        # By a rule, which may be about us.
        ("rcpt", "550 5.7.1 Blocked", None),
        ("rcpt", "550 5.7.1 <bob@example.com>: Recipient address rejected: Access denied", None),
        ("rcpt", "554 Blocked by a list", None),
        ("rcpt", "450 4.7.1 Greylisted", None),
        ("rcpt", "550 5.1.0 Sender denied", None),
        ("rcpt", "550 5.1.8 Bad outbound sender", None),
        ("rcpt", "550 5.1.90 Too many recipients today", None),
        ("rcpt", "550 5.1.1 <mail.example>: Client host rejected: no reverse name", None),
        ("rcpt", "550 Relaying denied", None),
        # Without a code that says why, or about something else.
        ("rcpt", "550 No", None),
        ("rcpt", "451 Try later", None),
        ("rcpt", "451 4.3.0 Our disk is full", None),
        ("mail", "550 5.1.1 Who are you?", None),
        ("dot", "550 5.1.1 Not this one", None),
        ("dot", "554 5.6.0 A virus", None),
    ],
)
def test_a_mail_server(phase: Phase, reply: str, bounce: Bounce | None) -> None:
    code, _, text = reply.partition(" ")
    assert refusal(phase, int(code), text.encode()).bounce is bounce


@pytest.mark.parametrize(
    ("code", "bounce"),
    [
        ("is_archived", Bounce.GONE),
        ("channel_not_found", Bounce.GONE),
        ("user_not_found", Bounce.GONE),
        ("account_inactive", None),  # the bot's own, so it is about everybody
        ("restricted_action", None),
        ("not_in_channel", None),
        ("ratelimited", None),
        ("no_such_code", None),
    ],
)
def test_slacks_web_api(code: str, bounce: Bounce | None) -> None:
    with SlackFake() as fake:
        fake.answer(body=f'{{"ok": false, "error": "{code}"}}')
        with pytest.raises(SendError) as caught:
            SlackApi(Http(5), token=fake.token, base_url=fake.api_url).send(Note("C024BE91L"))
    assert caught.value.bounce is bounce


@pytest.mark.parametrize(
    ("status", "code", "bounce"),
    [
        (403, "account_inactive", Bounce.GONE),
        (410, "channel_is_archived", Bounce.GONE),
        (404, "no_service", Bounce.GONE),
        (404, "Not found", None),
        (403, "action_prohibited", None),
        (403, "invalid_auth", None),
    ],
)
def test_slacks_webhooks(settings: Settings, status: int, code: str, bounce: Bounce | None) -> None:
    with SlackFake() as fake:
        settings.SLACK_WEBHOOK_PREFIXES = [fake.webhook_prefix]
        fake.answer(status=status, body=code)
        with pytest.raises(SendError) as caught:
            SlackApi(Http(5), token="", base_url=fake.api_url).send(Note(fake.webhook("T1/B1/x")))
    assert caught.value.bounce is bounce


def test_twilio_says_that_a_receiver_answered_stop() -> None:
    with TwilioFake() as fake:
        fake.answer(status=400, body='{"code": 21610, "message": "Attempt to send to unsubscribed recipient"}')
        twilio = Twilio(Http(5), account=fake.account, token=fake.token, sender="+15005550006", base_url=fake.url)
        with pytest.raises(SendError) as caught:
            twilio.send(Note("+4915112345678"))
    assert caught.value.bounce is Bounce.STOP


def test_twilio_blames_an_address_for_nothing_that_is_about_us() -> None:
    found = {bounce: {code for code, each in twilio_codes.CODES.items() if each.bounce is bounce} for bounce in Bounce}
    assert found[Bounce.STOP] == {21610, 30630}
    assert found[Bounce.HARD] == {21614, 21635}
    assert found[Bounce.GONE] == set()
    assert {30003, 30453} < found[Bounce.SOFT]
