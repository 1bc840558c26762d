"""E-mail over a provider with an HTTP API: deadlines, redirects, and answers that cannot be read."""

from __future__ import annotations

import gzip
import threading
from contextlib import suppress
from importlib import import_module

import pytest
from anymail.backends.base import BasePayload
from pytest_django.fixtures import Settings

from harness.fakes.postmark import PostmarkFake
from notifications.channels.email.backend import TAKE_METADATA, OverBackend
from notifications.channels.email.tracking import VIEWS
from notifications.channels.email.writer import Writer
from notifications.channels.outcomes import Cause, SendError
from tests.notifications.channels.parts import Note
from tests.notifications.channels.raw import Dialogue, dialogue


@pytest.mark.timeout(30)
def test_a_provider_that_trickles_does_not_outlive_the_deadline(settings: Settings) -> None:
    stop = threading.Event()

    def trickle(server: Dialogue) -> None:
        server.read_until(b"\r\n\r\n")
        server.write(b"HTTP/1.1 200 OK\r\n")
        while not stop.wait(0.05):
            with suppress(OSError):
                server.write(b"X-More: 1\r\n")

    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    with dialogue(trickle) as port:
        settings.ANYMAIL = {"POSTMARK_API_URL": f"http://127.0.0.1:{port}", "POSTMARK_SERVER_TOKEN": "x"}
        with pytest.raises(SendError) as caught:
            OverBackend(Writer(sender="app@example.com", default_subject="Hi"), 0.5).send(Note("bob@example.com"))
        stop.set()
    assert (caught.value.cause, caught.value.uncertain) == (Cause.TIMEOUT, True)


def test_a_redirect_does_not_get_our_token(settings: Settings) -> None:
    with PostmarkFake() as fake, PostmarkFake() as elsewhere:
        settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
        settings.ANYMAIL = {"POSTMARK_API_URL": fake.url, "POSTMARK_SERVER_TOKEN": fake.token}
        fake.answer(status=307, headers=(("Location", f"{elsewhere.url}/email"),))
        with pytest.raises(SendError) as caught:
            OverBackend(Writer(sender="app@example.com", default_subject="Hi"), 5).send(Note("bob@example.com"))
        assert not caught.value.permanent
        assert elsewhere.connections == 0


@pytest.mark.parametrize("status", [201, 202])
def test_a_201_or_202_that_cannot_be_read_is_sent(status: int, settings: Settings) -> None:
    with PostmarkFake() as fake:
        settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
        settings.ANYMAIL = {"POSTMARK_API_URL": fake.url, "POSTMARK_SERVER_TOKEN": fake.token}
        fake.answer(accepted=status, body=gzip.compress(b"{}"))
        assert OverBackend(Writer(sender="a@example.com", default_subject="Hi"), 5).send(Note("bob@example.com")) == ""


def test_the_id_goes_along_so_that_it_comes_back_with_what_the_provider_tells(settings: Settings) -> None:
    note = Note("bob@example.com")
    with PostmarkFake() as fake:
        settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
        settings.ANYMAIL = {"POSTMARK_API_URL": fake.url, "POSTMARK_SERVER_TOKEN": fake.token}
        OverBackend(Writer(sender="a@example.com", default_subject="Hi"), 5).send(note)
        (request,) = fake.requests
    assert request.json()["Metadata"] == {"notification_id": str(note.id)}


def test_the_providers_that_take_metadata_are_those_whose_anymail_backend_does() -> None:
    """Another one would refuse every mail with it."""
    takes = set()
    for name in VIEWS:
        try:
            module = import_module(f"anymail.backends.{name}")
        except ImportError:  # needs what is not installed here
            assert name == "amazon_ses"
            takes.add(name)
            continue
        payloads = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, BasePayload)]
        own = [each for each in payloads if each.__module__ == module.__name__]
        if any("set_metadata" in vars(each) for each in own):
            takes.add(name)
    assert {name.replace("_", " ") for name in takes} == TAKE_METADATA
