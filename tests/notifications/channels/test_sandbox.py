"""The sandbox: what it keeps, and its magic receivers as docs/channels.md lists them."""

from __future__ import annotations

import re
import threading

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from notifications.channels import channel_class
from notifications.channels.outcomes import SendError
from notifications.channels.sandbox import Sandbox
from notifications.models import SandboxMessage
from notifications.sending.sandbox_store import SandboxTable
from tests.notifications.channels.parts import Kept, Note, table

MAGIC = [
    (channel, receiver, cause, outcome)
    for *cells, cause, outcome in table("The sandbox and its magic receivers")
    for channel, cell in zip(("EMAIL", "SLACK", "SMS"), cells, strict=True)
    for receiver in re.findall(r"`(.*?)`", cell)
]


@pytest.mark.parametrize(("channel", "receiver", "cause", "outcome"), MAGIC)
def test_magic_receivers(channel: str, receiver: str, cause: str, outcome: str) -> None:
    assert channel_class(channel).receiver_problem(receiver) is None
    with pytest.raises(SendError) as caught:
        Sandbox(channel, Kept()).send(Note(receiver))
    assert (caught.value.cause, caught.value.outcome) == (cause, outcome)
    assert caught.value.retry_after == (5.0 if outcome == "throttled" else None)


def test_there_is_magic_for_every_outcome() -> None:
    assert {outcome for *_, outcome in MAGIC} == {"transient", "permanent", "throttled", "uncertain"}
    assert len(MAGIC) == 24


def test_a_tagged_address_is_as_magic() -> None:
    with pytest.raises(SendError):
        Sandbox("EMAIL", Kept()).send(Note("Transient+42@SANDBOX.test"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("channel", "receiver"),
    [
        ("EMAIL", "transient@gmail.com"),
        ("EMAIL", "transient@notsandbox.test"),
        ("EMAIL", "bob@sandbox.test"),
        ("EMAIL", "test@gmail.com"),
        ("SLACK", "https://hooks.slack.com/services/T0/B0/transients"),
        ("SLACK", "https://hooks.slack.com/services/transient/x"),
        ("SLACK", "C024BE91L"),
        ("SMS", "+15005550006"),
    ],
)
def test_everybody_else_gets_it(channel: str, receiver: str) -> None:
    note = Note(receiver, subject="Hi", html="<p>Hello</p>")
    words = Sandbox(channel, SandboxTable()).send(note)
    row = SandboxMessage.objects.get()
    assert words == f"sandbox-{row.pk}"
    kept = (row.notification_id, row.channel, row.receiver, row.subject, row.message, row.html)
    assert kept == (note.id, channel, receiver, "Hi", "Hello World", "<p>Hello</p>")


@pytest.mark.django_db(transaction=True)
def test_many_threads_at_once() -> None:
    sandbox = Sandbox("EMAIL", SandboxTable())

    def work() -> None:
        for _ in range(10):
            sandbox.send(Note("bob@example.com"))
        sandbox.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert SandboxMessage.objects.count() == 80


@pytest.mark.django_db(transaction=True)
def test_no_transaction_stays_open() -> None:
    Sandbox("SMS", SandboxTable()).send(Note("+14155550123"))
    assert not connection.in_atomic_block
    assert connection.get_autocommit()


def test_a_provider_without_settings_says_that_it_must_not_be_named() -> None:
    with pytest.raises(ImproperlyConfigured, match="Sandbox cannot be made from settings"):
        Sandbox.from_settings()
