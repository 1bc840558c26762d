"""Logging in to each provider, right and wrong. Nothing is sent, and no secret is named."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from pytest_django import Settings

from harness.fakes.slack import TOKEN as SLACK_TOKEN
from harness.fakes.slack import SlackFake
from harness.fakes.smtp import SmtpFake
from harness.fakes.twilio import ACCOUNT, TOKEN, TwilioFake
from harness.platform.providers import Providers
from project.operations.doctor import of_providers
from project.operations.doctor.examine import LeftOut

SECRET = "not-the-password"


@pytest.fixture
def providers(settings: Settings) -> Iterator[Providers]:
    """Fakes, and settings that all of them take."""
    with SmtpFake(login=("user", "password")) as smtp, SlackFake() as slack, TwilioFake() as twilio:
        settings.EMAIL_CONFIGURED = True
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", smtp.port
        settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "user", "password"
        settings.SLACK_CONFIGURED = True
        settings.SLACK_BOT_TOKEN, settings.SLACK_BASE_URL = SLACK_TOKEN, slack.api_url
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN, settings.TWILIO_FROM = ACCOUNT, TOKEN, "+15005550006"
        settings.TWILIO_BASE_URL = twilio.url
        yield Providers(smtp, slack, twilio)


@pytest.mark.parametrize("channel", ["EMAIL", "SLACK", "SMS"])
def test_who_is_known_logs_in_and_sends_nothing(providers: Providers, channel: str) -> None:
    assert list(of_providers.providers(channel)) == []
    assert providers.accepted == []
    asked = len(providers.smtp.names) + len(providers.slack.requests) + len(providers.twilio.requests)
    assert asked == 1


@pytest.mark.parametrize(
    ("channel", "setting"),
    [("EMAIL", "EMAIL_HOST_PASSWORD"), ("SLACK", "SLACK_BOT_TOKEN"), ("SMS", "TWILIO_AUTH_TOKEN")],
)
def test_a_wrong_credential(providers: Providers, settings: Settings, channel: str, setting: str) -> None:
    setattr(settings, setting, SECRET)
    (problem,) = of_providers.providers(channel)
    assert f"Renew the credentials, then restart the senders of {channel}." in problem
    assert SECRET not in problem


def test_an_account_that_is_suspended(providers: Providers) -> None:
    providers.twilio.status = "suspended"
    (problem,) = of_providers.providers("SMS")
    assert "The account is suspended" in problem


@pytest.mark.parametrize("channel", ["EMAIL", "SMS"])
def test_nobody_there_or_nobody_who_answers(
    providers: Providers, settings: Settings, monkeypatch: pytest.MonkeyPatch, channel: str
) -> None:
    monkeypatch.setattr(of_providers, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings.EMAIL_PORT, settings.TWILIO_BASE_URL = port, f"http://127.0.0.1:{port}"
        (problem,) = of_providers.providers(channel)
        assert "It does not answer within 0.3 seconds" in problem
    (problem,) = of_providers.providers(channel)
    assert "It cannot be used (No connection" in problem


def test_a_backend_without_its_setting_and_a_channel_without_any(settings: Settings) -> None:
    settings.EMAIL_CONFIGURED, settings.EMAIL_BACKEND = True, "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {}
    (problem,) = of_providers.providers("EMAIL")
    assert "POSTMARK_SERVER_TOKEN" in problem
    settings.EMAIL_CONFIGURED = False
    with pytest.raises(LeftOut, match="EMAIL_URL"):
        list(of_providers.providers("EMAIL"))
