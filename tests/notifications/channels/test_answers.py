"""Every line of the tables in docs/channels.md, against a server that answers so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from harness.fakes.fake import Fake
from harness.fakes.postmark import PostmarkFake
from harness.fakes.slack import SlackFake
from harness.fakes.smtp import SmtpFake
from harness.fakes.twilio import TwilioFake
from notifications.channels.base import Provider
from notifications.channels.email import postmark_codes
from notifications.channels.email.backend import OverBackend
from notifications.channels.email.smtp import OverSmtp
from notifications.channels.email.writer import Writer
from notifications.channels.meanings import Meaning
from notifications.channels.outcomes import SendError
from notifications.channels.slack import codes as slack_codes
from notifications.channels.slack.web_api import SlackApi
from notifications.channels.sms import twilio_codes
from notifications.channels.sms.twilio import Twilio
from notifications.channels.transport.http import Http
from notifications.channels.transport.smtp.client import Smtp
from tests.notifications.channels.parts import Line, Note, answers

TIMEOUT = 0.6
SENDER = "app@example.com"
PHASES = {"MAIL": "mail", "RCPT": "rcpt", "the mail": "dot"}
WORDS: dict[str, dict[str, Any]] = {
    "connection cut": {"drop": True},
    "no answer in time": {"hang": True},
    "no reply in time": {"hang": True},
}


def lines(heading: str) -> pytest.MarkDecorator:
    found = answers(heading)
    assert len(found) >= 8
    return pytest.mark.parametrize("line", found, ids=[f"{line.when} {line.answer}" for line in found])


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def unused_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def check(line: Line, provider: Provider, receiver: str, fake: Fake) -> None:
    """Send, and compare with the line what came out of it."""
    if line.outcome == "sent":
        provider.send(Note(receiver))
        assert len(fake.wait_for(1)) == 1
        return
    with pytest.raises(SendError) as caught:
        provider.send(Note(receiver))
    error = caught.value
    assert (error.cause, error.outcome) == (line.cause, line.outcome)
    assert not line.about or error.about == line.about
    assert error.retry_after == (float(line.retry_after) if line.retry_after else None)
    assert error.detail
    assert receiver not in error.detail
    provider.close()


def script(line: Line, fake: Fake, receiver: str) -> None:
    """Make the fake answer as the line says, over HTTP."""
    if line.when in WORDS:
        fake.answer(receiver, **WORDS[line.when])
    elif line.outcome == "sent":
        fake.answer(receiver, accepted=int(line.when))
    elif line.when.isdigit():
        headers = [("Retry-After", line.retry_after)] if line.retry_after else []
        headers += [("Location", "/elsewhere")] if line.when[0] == "3" else []
        code = int(line.code) if line.code.isdigit() and isinstance(fake, TwilioFake) else line.code
        fake.answer(receiver, status=int(line.when), code=code, headers=tuple(headers))


@lines("EMAIL over SMTP")
def test_smtp(line: Line, stack: ExitStack) -> None:
    fake = stack.enter_context(SmtpFake(login=("user", "right")))
    password = "wrong" if line.when == "AUTH" else "right"
    port = unused_port() if line.answer == "connection refused" else fake.port
    receiver = "bob@example.com"
    key = SENDER if line.when == "MAIL" else receiver
    if line.when in PHASES and line.outcome != "sent":
        values = WORDS.get(line.answer, {"reply": line.code})
        fake.answer(key, phase=PHASES[line.when], **values)
    smtp = Smtp("127.0.0.1", port, user="user", password=password, tls="", timeout=TIMEOUT)
    email = OverSmtp(Writer(sender=SENDER, default_subject="Hi"), smtp)
    if (
        line.cause == "rejected-content" and line.when != "MAIL"
    ):  # what a rule is about is known when the server takes another mail of ours
        with suppress(SendError):
            email.send(Note(receiver))
        email.send(Note("ann@example.com"))
    check(line, email, receiver, fake)


@lines("EMAIL over an HTTP API")
def test_email_api(line: Line, stack: ExitStack, settings: Settings) -> None:
    fake = stack.enter_context(PostmarkFake())
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    url = refusing(line) or fake.url
    settings.ANYMAIL = {"POSTMARK_API_URL": url, "POSTMARK_SERVER_TOKEN": fake.token}
    receiver = "bob@example.com"
    script(line, fake, receiver)
    check(line, OverBackend(Writer(sender=SENDER, default_subject="Hi"), TIMEOUT), receiver, fake)


@lines("SLACK by webhook")
def test_slack_webhook(line: Line, stack: ExitStack, settings: Settings) -> None:
    fake = stack.enter_context(SlackFake())
    settings.SLACK_WEBHOOK_PREFIXES = [f"{refusing(line) or fake.url}/services/"]
    receiver = f"{settings.SLACK_WEBHOOK_PREFIXES[0]}T1/B1/secret"
    script(line, fake, receiver)
    check(line, SlackApi(Http(TIMEOUT), token="", base_url=fake.api_url), receiver, fake)


@lines("SLACK by chat.postMessage")
def test_slack_api(line: Line, stack: ExitStack) -> None:
    fake = stack.enter_context(SlackFake())
    script(line, fake, "C024BE91L")
    base_url = f"{refusing(line) or fake.url}/api/"
    check(line, SlackApi(Http(TIMEOUT), token=fake.token, base_url=base_url), "C024BE91L", fake)


@lines("SMS by Twilio")
def test_sms(line: Line, stack: ExitStack) -> None:
    fake = stack.enter_context(TwilioFake())
    script(line, fake, "+14155550123")
    url = refusing(line) or fake.url
    sms = Twilio(Http(TIMEOUT), account=fake.account, token=fake.token, sender="+14155550100", base_url=url)
    check(line, sms, "+14155550123", fake)


@pytest.mark.parametrize(
    ("heading", "codes"),
    [
        ("EMAIL over an HTTP API", postmark_codes.CODES),
        ("SLACK by chat.postMessage", slack_codes.CODES),
        ("SMS by Twilio", twilio_codes.CODES),
    ],
)
def test_the_page_names_every_code(heading: str, codes: dict[Any, Meaning]) -> None:
    assert set(map(str, codes)) <= {line.code for line in answers(heading)}


def refusing(line: Line) -> str:
    """A URL where nobody listens, if that is what the line is about."""
    return f"http://127.0.0.1:{unused_port()}" if line.when == "connection refused" else ""
