"""What every channel promises: each registered one, its sandbox, and the one docs/channels.md shows as an example."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from harness.fakes.fake import Fake
from harness.fakes.slack import SlackFake
from harness.fakes.smtp import SmtpFake
from harness.fakes.twilio import TwilioFake
from notifications.channels import channel_class, channel_names, open_channel
from notifications.channels.base import Channel
from notifications.channels.outcomes import About, Cause, SendError
from notifications.channels.sandbox import Sandbox
from notifications.models import SandboxMessage
from tests.notifications.channels.parts import PAGE, Note

UNSET: dict[str, Any] = {
    "EMAIL_CONFIGURED": False,
    "SLACK_CONFIGURED": False,
    "SLACK_BOT_TOKEN": "",
    "TWILIO_ACCOUNT_SID": "",
    "TWILIO_AUTH_TOKEN": "",
    "TWILIO_FROM": "",
}


@dataclass(frozen=True)
class Sample:
    """A registered channel: a receiver it takes, its provider's fake, and the settings that lead there."""

    receiver: str
    fake: Callable[[], Fake]
    settings: Callable[[Any], dict[str, Any]]


def email_settings(fake: SmtpFake) -> dict[str, Any]:
    smtp = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": fake.port, "EMAIL_HOST_USER": "", "EMAIL_HOST_PASSWORD": ""}
    backend = "django.core.mail.backends.smtp.EmailBackend"
    return smtp | {"EMAIL_CONFIGURED": True, "EMAIL_BACKEND": backend, "EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False}


def slack_settings(fake: SlackFake) -> dict[str, Any]:
    return {"SLACK_CONFIGURED": True, "SLACK_BOT_TOKEN": fake.token, "SLACK_BASE_URL": fake.api_url}


def sms_settings(fake: TwilioFake) -> dict[str, Any]:
    account = {"TWILIO_ACCOUNT_SID": fake.account, "TWILIO_AUTH_TOKEN": fake.token}
    return account | {"TWILIO_FROM": "+14155550100", "TWILIO_BASE_URL": fake.url}


SAMPLES = {
    "EMAIL": Sample("bob@example.com", SmtpFake, email_settings),
    "SLACK": Sample("C024BE91L", SlackFake, slack_settings),
    "SMS": Sample("+14155550123", TwilioFake, sms_settings),
}
channels = pytest.mark.parametrize("name", list(django_settings.CHANNELS))


@contextmanager
def opened(name: str) -> Iterator[tuple[Channel, Fake, str]]:
    sample = SAMPLES[name]
    with sample.fake() as fake, override_settings(**sample.settings(fake), SEND_TIMEOUT_SECONDS=5.0):
        channel = open_channel(name)
        yield channel, fake, sample.receiver
        channel.close()


def test_every_registered_channel_has_a_sample() -> None:
    assert set(SAMPLES) == set(channel_names())


@channels
def test_its_name_is_the_one_it_is_registered_under(name: str) -> None:
    rules = channel_class(name)
    assert rules.name == name
    assert rules.max_message
    assert not rules.too_long("a")
    assert rules.too_long("a" * 1_000_000)


@channels
def test_it_takes_its_receiver_and_refuses_several(name: str) -> None:
    rules, receiver = channel_class(name), SAMPLES[name].receiver
    assert rules.receiver_problem(receiver) is None
    for several in (f"{receiver},{receiver}", f"{receiver} {receiver}", f"{receiver}\r\n{receiver}", f"{receiver}\x00"):
        assert rules.receiver_problem(several)


@channels
@given(garbage=st.text(max_size=200))
def test_no_receiver_makes_its_rules_fail(name: str, garbage: str) -> None:
    rules = channel_class(name)
    problem = rules.receiver_problem(garbage)
    assert problem is None or (problem.startswith("Must ") and problem.endswith("."))
    rules.mask(garbage)
    rules.too_long(garbage)
    rules.canonical(garbage)


@channels
def test_its_mask_hides_the_receiver(name: str) -> None:
    rules, receiver = channel_class(name), SAMPLES[name].receiver
    assert "…" in rules.mask(receiver)
    assert receiver not in rules.mask(receiver)


@channels
def test_the_canonical_form_is_a_receiver_and_final(name: str) -> None:
    rules = channel_class(name)
    canonical = rules.canonical(SAMPLES[name].receiver)
    assert rules.receiver_problem(canonical) is None
    assert rules.canonical(canonical) == canonical


@channels
def test_without_credentials_it_is_the_sandbox_or_stops_the_start(name: str, settings: Settings) -> None:
    for key, value in UNSET.items():
        setattr(settings, key, value)
    settings.SANDBOX_ALLOWED = True
    sandbox = open_channel(name)
    assert isinstance(sandbox, Sandbox)
    assert sandbox.name == name
    if name != "SLACK":  # its webhooks are their own credentials
        settings.SANDBOX_ALLOWED = False
        with pytest.raises(ImproperlyConfigured, match=r"must be set for the \w+ channel"):
            open_channel(name)


@channels
def test_it_sends_once(name: str) -> None:
    with opened(name) as (channel, fake, receiver):
        channel.send(Note(receiver, "Hello there"))
        assert [(entry.receiver, entry.text) for entry in fake.accepted] == [(receiver, "Hello there")]
        assert channel.provider


@channels
def test_threads_share_it(name: str) -> None:
    with opened(name) as (channel, fake, receiver):

        def work() -> None:
            for _ in range(5):
                channel.send(Note(receiver))
            channel.close()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert len(fake.accepted) == 20
        assert fake.connections == 4


@pytest.mark.parametrize("cause", list(Cause))
@pytest.mark.parametrize("about", [None, *About])
def test_only_what_is_about_the_receiver_or_the_text_can_be_permanent(cause: Cause, about: About | None) -> None:
    if SendError(cause, about=about).about in {About.RECEIVER, About.TEXT}:
        assert SendError(cause, about=about, permanent=True).permanent
    else:
        with pytest.raises(ValueError, match="cannot be permanent"):
            SendError(cause, about=about, permanent=True)


@channels
def test_what_was_handed_over_and_not_answered_is_uncertain(name: str) -> None:
    with opened(name) as (channel, fake, receiver):
        fake.answer(receiver, drop=True)
        with pytest.raises(SendError) as caught:
            channel.send(Note(receiver))
        assert caught.value.uncertain
        assert len(fake.accepted) == 1
        fake.mend()
        channel.send(Note(receiver))
        assert len(fake.accepted) == 2


@channels
def test_it_can_be_used_after_close(name: str) -> None:
    with opened(name) as (channel, fake, receiver):
        channel.close()
        channel.send(Note(receiver))
        channel.close()
        channel.close()
        channel.send(Note(receiver))
        assert len(fake.accepted) == 2


@pytest.mark.django_db
@channels
def test_the_sandbox_sends_in_its_place(name: str) -> None:
    sandbox, receiver = Sandbox.of(name), SAMPLES[name].receiver
    assert sandbox.send(Note(receiver)).startswith("sandbox-")
    assert SandboxMessage.objects.get().receiver == receiver
    assert sandbox.receiver_problem(receiver) is None
    assert sandbox.mask(receiver) == channel_class(name).mask(receiver)


def test_the_example_in_the_docs_is_a_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code
    (tmp_path / "docs_example.py").write_text(code[1])
    monkeypatch.syspath_prepend(tmp_path)
    push = importlib.import_module("docs_example").Push
    with SlackFake() as gateway, override_settings(PUSH_URL=gateway.webhook("push")):
        channel = push.from_settings()
        assert channel.send(Note("0" * 32)) == ""
        gateway.answer(status=429, headers=(("Retry-After", "7"),))
        with pytest.raises(SendError) as caught:
            channel.send(Note("0" * 32))
        assert (caught.value.cause, caught.value.retry_after) == ("throttled", 7.0)
    with override_settings(PUSH_URL=""), pytest.raises(ImproperlyConfigured, match="PUSH_URL"):
        push.from_settings()
    assert push.receiver_problem("0" * 32) is None
    assert push.receiver_problem("x")
