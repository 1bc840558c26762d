"""What every channel and provider promises: each registered one, the sandbox, and the example in docs/channels.md."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from harness.fakes.fake import Fake
from harness.fakes.slack import SlackFake
from harness.fakes.web import WebFake
from notifications.channels import channel_class, channel_names, configured_providers, open_providers
from notifications.channels.base import NotConfigured, Provider
from notifications.channels.outcomes import About, Cause, SendError
from notifications.channels.sandbox import Sandbox
from tests.notifications.channels.parts import PAGE, Kept, Note
from tests.notifications.channels.samples import Sample, samples
from tests.notifications.rows import Scripted

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

SAMPLES = list(samples())
RECEIVERS = {sample.channel: sample.receiver for sample in SAMPLES}
channels = pytest.mark.parametrize("name", channel_names())
providers = pytest.mark.parametrize("sample", SAMPLES, ids=[f"{each.channel} {each.provider}" for each in SAMPLES])


@contextmanager
def opened(sample: Sample) -> Iterator[tuple[Provider, Fake, str]]:
    with sample.fake() as fake, override_settings(**sample.settings(fake), SEND_TIMEOUT_SECONDS=5.0):
        (provider,) = configured_providers(sample.channel)
        yield provider, fake, sample.receiver
        provider.close()


@providers
def test_a_provider_over_http_gets_the_trace(sample: Sample) -> None:
    with opened(sample) as (provider, fake, receiver):
        provider.send(Note(receiver, traceparent=TRACEPARENT))
    assert len(fake.accepted) == 1
    if isinstance(fake, WebFake):  # SMTP has no place for it
        assert [request.headers["traceparent"] for request in fake.requests] == [TRACEPARENT]


def test_every_registered_channel_has_a_sample() -> None:
    assert set(RECEIVERS) == set(channel_names())


@channels
def test_its_name_is_the_one_it_is_registered_under(name: str) -> None:
    rules = channel_class(name)
    assert rules.name == name
    assert rules.max_message
    assert not rules.too_long("a")
    assert rules.too_long("a" * 1_000_000)


@channels
def test_it_takes_its_receiver_and_refuses_several(name: str) -> None:
    rules, receiver = channel_class(name), RECEIVERS[name]
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
    rules, receiver = channel_class(name), RECEIVERS[name]
    assert "…" in rules.mask(receiver)
    assert receiver not in rules.mask(receiver)


@channels
def test_the_canonical_form_is_a_receiver_and_final(name: str) -> None:
    rules = channel_class(name)
    canonical = rules.canonical(RECEIVERS[name])
    assert rules.receiver_problem(canonical) is None
    assert rules.canonical(canonical) == canonical


@channels
def test_without_credentials_it_is_the_sandbox_or_stops_the_start(name: str, settings: Settings) -> None:
    for sample in SAMPLES:
        for key, value in sample.unset.items():
            setattr(settings, key, value)
    settings.SANDBOX_ALLOWED = True
    (sandbox,) = open_providers(name, Kept())
    assert isinstance(sandbox, Sandbox)
    assert sandbox.name == "sandbox"
    if name != "SLACK":  # its webhooks are their own credentials
        settings.SANDBOX_ALLOWED = False
        with pytest.raises(ImproperlyConfigured, match=r"must be set for the \w+ channel"):
            open_providers(name, Kept())


@providers
def test_it_sends_once(sample: Sample) -> None:
    with opened(sample) as (provider, fake, receiver):
        provider.send(Note(receiver, "Hello there"))
        assert [(entry.receiver, entry.text) for entry in fake.accepted] == [(receiver, "Hello there")]
        assert provider.name == sample.provider


@providers
def test_threads_share_it(sample: Sample) -> None:
    with opened(sample) as (provider, fake, receiver):

        def work() -> None:
            for _ in range(5):
                provider.send(Note(receiver))
            provider.close()

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


@providers
def test_what_was_handed_over_and_not_answered_is_uncertain(sample: Sample) -> None:
    with opened(sample) as (provider, fake, receiver):
        fake.answer(receiver, drop=True)
        with pytest.raises(SendError) as caught:
            provider.send(Note(receiver))
        assert caught.value.uncertain
        assert len(fake.accepted) == 1
        fake.mend()
        provider.send(Note(receiver))
        assert len(fake.accepted) == 2


@providers
def test_it_can_be_used_after_close(sample: Sample) -> None:
    with opened(sample) as (provider, fake, receiver):
        provider.close()
        provider.send(Note(receiver))
        provider.close()
        provider.close()
        provider.send(Note(receiver))
        assert len(fake.accepted) == 2


@channels
def test_the_sandbox_sends_in_its_place(name: str) -> None:
    store, receiver = Kept(), RECEIVERS[name]
    note = Note(receiver)
    assert Sandbox(name, store).send(note) == "sandbox-1"
    assert store.kept == [(name, note)]


def test_a_provider_without_its_settings_is_left_out_and_the_others_are_asked_in_order(settings: Settings) -> None:
    ours = {"rules": "notifications.channels.email.rules.Email"}
    settings.CHANNELS = {"EMAIL": ours | {"route": [f"{__name__}.{name}" for name in ("Second", "Absent", "First")]}}
    assert [provider.name for provider in configured_providers("EMAIL")] == ["second", "first"]
    settings.CHANNELS = {"EMAIL": ours | {"route": [f"{__name__}.Absent"]}}
    settings.SANDBOX_ALLOWED = False
    with pytest.raises(NotConfigured, match="ABSENT must be set"):
        open_providers("EMAIL", Kept())


def test_wrong_settings_stop_the_start_although_the_sandbox_is_allowed(settings: Settings) -> None:
    settings.SANDBOX_ALLOWED = True
    settings.EMAIL_CONFIGURED = True
    settings.EMAIL_BACKEND = "anymail.backends.postmrk.EmailBackend"
    with pytest.raises(ImproperlyConfigured, match="EMAIL_BACKEND names what is not there"):
        open_providers("EMAIL", Kept())


class First(Scripted):
    """A provider that needs no settings."""

    @classmethod
    def from_settings(cls) -> Self:
        return cls(name=cls.__name__.lower())


class Second(First):
    """Another one."""


class Absent(First):
    """One whose settings are not there."""

    @classmethod
    def from_settings(cls) -> Self:
        raise NotConfigured("ABSENT must be set for the EMAIL channel.")


def test_the_example_in_the_docs_is_a_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code
    (tmp_path / "docs_example.py").write_text(code[1])
    monkeypatch.syspath_prepend(tmp_path)
    example = importlib.import_module("docs_example")
    push, gateway_of_ours = example.Push, example.Gateway
    with SlackFake() as gateway, override_settings(PUSH_URL=gateway.webhook("push")):
        provider = gateway_of_ours.from_settings()
        assert provider.send(Note("0" * 32)) == ""
        gateway.answer(status=429, headers=(("Retry-After", "7"),))
        with pytest.raises(SendError) as caught:
            provider.send(Note("0" * 32))
        assert (caught.value.cause, caught.value.retry_after) == ("throttled", 7.0)
    with override_settings(PUSH_URL=""), pytest.raises(ImproperlyConfigured, match="PUSH_URL"):
        gateway_of_ours.from_settings()
    assert push.receiver_problem("0" * 32) is None
    assert push.receiver_problem("x")
