"""E-mail over a provider with an HTTP API: deadlines, redirects, and answers that cannot be read."""

from __future__ import annotations

import gzip
import threading
from contextlib import suppress

import pytest
from pytest_django.fixtures import Settings

from harness.fakes.postmark import PostmarkFake
from notifications.channels.email.backend import OverBackend
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
