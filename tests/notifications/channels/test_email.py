"""E-mail: what is written over the wire, and the sessions it goes through."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
import trustme
from django.conf import global_settings
from django.core.exceptions import ImproperlyConfigured
from pytest_django.fixtures import Settings

from harness.fakes.postmark import PostmarkFake
from harness.fakes.smtp import SmtpFake
from notifications.channels import configured_providers
from notifications.channels.email.backend import OverBackend
from notifications.channels.email.smtp import OverSmtp
from notifications.channels.email.writer import Writer
from notifications.channels.outcomes import Cause, Outcome, SendError
from notifications.channels.transport.smtp.client import Smtp
from notifications.channels.transport.smtp.session import Tls
from project import environment
from tests.notifications.channels.on_loop import WaitingSmtp
from tests.notifications.channels.parts import Note, tls_pair
from tests.notifications.channels.raw import Dialogue, dialogue


def over_smtp(fake: SmtpFake, *, tls: Tls = "") -> OverSmtp:
    smtp = Smtp("127.0.0.1", fake.port, user="user", password="right", tls=tls, timeout=5)
    return OverSmtp(Writer(sender="Äpp <app@example.com>", default_subject="Notification"), smtp)


def plain_smtp(port: int) -> WaitingSmtp:
    return WaitingSmtp(Smtp("127.0.0.1", port, user="", password="", tls="", timeout=5))


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content.replace("\r\n", "\n")


def test_a_mail_as_it_arrives() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        note = Note("Bob@EXÄMPLE.com", "Grüße,\n.\n..dots\nfrom us", subject="Ihre Bestellung №1", html="<p>Grüße</p>")
        values = over_smtp(fake).send(note)
        mail = fake.parsed()[0]
    assert values == "FAKE"
    assert mail["To"] == "Bob@xn--exmple-cua.com"
    assert mail["From"] == "Äpp <app@example.com>"
    assert mail["Subject"] == "Ihre Bestellung №1"
    assert mail["Message-ID"].startswith(f"<{note.id}@")
    assert mail["Date"]
    assert mail.get_content_type() == "multipart/alternative"
    assert part(mail, "plain").rstrip("\n") == note.message
    assert part(mail, "html").rstrip("\n") == note.html
    assert fake.accepted[0].id == str(note.id)


def test_an_empty_subject_becomes_the_default() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        over_smtp(fake).send(Note("bob@example.com"))
        assert fake.parsed()[0]["Subject"] == "Notification"


def test_a_line_break_in_a_subject_cannot_become_a_header() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        over_smtp(fake).send(Note("bob@example.com", subject="Hi\r\nBcc: eve@example.com"))
        mail = fake.parsed()[0]
    assert mail["Subject"] == "Hi Bcc: eve@example.com"
    assert mail["Bcc"] is None


def test_a_receiver_that_is_no_address_is_not_written_to_the_wire() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        with pytest.raises(SendError) as caught:
            over_smtp(fake).send(Note("bob@example.com>\r\nRCPT TO:<eve@example.com"))
        assert (caught.value.cause, caught.value.permanent) == (Cause.INVALID_RECEIVER, True)
        assert fake.connections == 0


def test_a_session_is_reused_and_reopened_when_the_server_closed_it() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        channel = over_smtp(fake)
        for _ in range(3):
            channel.send(Note("bob@example.com"))
        assert fake.connections == 1
        fake.hang_up()
        channel.send(Note("bob@example.com"))
        assert (fake.connections, len(fake.accepted)) == (2, 4)


def test_a_server_that_wants_a_new_session_gets_one() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        channel = over_smtp(fake)
        channel.send(Note("bob@example.com"))
        fake.answer("app@example.com", phase="mail", reply="421 4.7.0 Too many mails in this session", times=1)
        channel.send(Note("bob@example.com"))
        assert (fake.connections, len(fake.accepted)) == (2, 2)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("phase", ["mail", "rcpt", "dot"])
def test_a_refused_mail_leaves_the_session_usable(phase: str, pipelining: bool) -> None:
    with SmtpFake(login=("user", "right")) as fake:
        fake.pipelining = pipelining
        channel = over_smtp(fake)
        refused = "app@example.com" if phase == "mail" else "bad@example.com"
        for _ in range(2):
            fake.answer(refused, phase=phase, reply="550 5.1.1 No such user", times=1)
            with pytest.raises(SendError, match=phase.replace("dot", "data").upper()):
                channel.send(Note("bad@example.com"))
            channel.send(Note("good@example.com"))
        assert [entry.receiver for entry in fake.accepted] == ["good@example.com"] * 2
        assert fake.connections == 1


def test_a_server_that_takes_the_envelope_at_once_gets_it_at_once() -> None:
    seen: list[bytes] = []

    def serve(server: Dialogue) -> None:
        server.greet(b"PIPELINING")
        seen.append(server.read_until(b"DATA\r\n"))  # before any answer
        server.write(b"250 Ok\r\n250 Ok\r\n354 Go on\r\n")
        seen.append(server.read_until(b"\r\n.\r\n"))
        server.write(b"250 2.0.0 Taken\r\n")

    with dialogue(serve) as port:
        assert plain_smtp(port).send("a@example.com", "b@example.com", b"Hi\r\n") == "2.0.0 Taken"
    assert seen == [b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n", b"Hi\r\n.\r\n"]


def test_a_server_that_waits_for_the_mail_of_a_refused_receiver_is_left() -> None:
    def serve(server: Dialogue) -> None:
        server.greet(b"PIPELINING")
        server.read_until(b"DATA\r\n")
        server.write(b"250 Ok\r\n550 5.1.1 No such user\r\n354 Go on\r\n")
        assert server.read_until(b".\r\n") == b"", "nothing more is sent on this connection"

    with dialogue(serve) as port:
        with pytest.raises(SendError) as caught:
            plain_smtp(port).send("a@example.com", "b@example.com", b"Hi\r\n")
        assert (caught.value.cause, caught.value.permanent) == (Cause.UNKNOWN_RECEIVER, True)


def test_a_refusal_counts_although_the_connection_breaks_behind_it() -> None:
    def serve(server: Dialogue) -> None:
        server.greet(b"PIPELINING")
        server.read_until(b"DATA\r\n")
        server.write(b"250 Ok\r\n550 5.1.1 No such user\r\n")

    with dialogue(serve) as port:
        with pytest.raises(SendError) as caught:
            plain_smtp(port).send("a@example.com", "b@example.com", b"Hi\r\n")
        assert caught.value.cause is Cause.UNKNOWN_RECEIVER


def test_a_cut_after_the_mail_is_uncertain_and_not_repeated() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        channel = over_smtp(fake)
        channel.send(Note("bob@example.com"))
        fake.answer("bob@example.com", drop=True, times=1)
        with pytest.raises(SendError) as caught:
            channel.send(Note("bob@example.com"))
        assert caught.value.outcome is Outcome.UNCERTAIN
        assert len(fake.accepted) == 2
        channel.send(Note("bob@example.com"))
        assert len(fake.accepted) == 3


def test_close_ends_the_session() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        channel = over_smtp(fake)
        channel.send(Note("bob@example.com"))
        channel.close()
        channel.send(Note("bob@example.com"))
        assert fake.connections == 2


@pytest.mark.parametrize("tls", ["starttls", "ssl"])
def test_tls(tls: Tls, monkeypatch: pytest.MonkeyPatch) -> None:
    server, trusted = tls_pair(trustme.CA())
    with SmtpFake(login=("user", "right"), tls=server, tls_at_once=tls == "ssl") as fake:
        with pytest.raises(SendError) as caught:
            over_smtp(fake, tls=tls).send(Note("bob@example.com"))
        assert (caught.value.cause, caught.value.outcome) == (Cause.CONNECTION, Outcome.TRANSIENT)
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
        channel = over_smtp(fake, tls=tls)
        before = fake.connections
        channel.send(Note("bob@example.com"))
        channel.send(Note("bob@example.com"))
        assert len(fake.accepted) == 2
        assert fake.connections == before + 1


def test_a_server_that_wants_a_login_says_so() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        smtp = Smtp("127.0.0.1", fake.port, user="", password="", tls="", timeout=5)
        with pytest.raises(SendError) as caught:
            OverSmtp(Writer(sender="app@example.com", default_subject="Hi"), smtp).send(Note("bob@example.com"))
        assert (caught.value.cause, caught.value.outcome) == (Cause.CREDENTIALS, Outcome.TRANSIENT)


def test_tls_that_the_server_does_not_offer_is_not_done_without() -> None:
    with SmtpFake(login=("user", "right")) as fake:
        with pytest.raises(SendError) as caught:
            over_smtp(fake, tls="starttls").send(Note("bob@example.com"))
        assert caught.value.cause is Cause.CREDENTIALS
        assert fake.accepted == []


def test_email_url_leads_to_the_server(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with SmtpFake(login=("user", "right")) as fake:
        monkeypatch.setenv("EMAIL_URL", fake.url)
        for name, value in environment.email_url("EMAIL_URL")._asdict().items():
            setattr(settings, name, value)
        settings.EMAIL_BACKEND = global_settings.EMAIL_BACKEND
        settings.EMAIL_CONFIGURED = True
        settings.DEFAULT_FROM_EMAIL = "App <app@example.com>"
        channel = OverSmtp.from_settings()
        assert channel.name == "smtp"
        channel.send(Note("bob@example.com"))
        assert len(fake.accepted) == 1


def test_anymail_from_settings(settings: Settings) -> None:
    with PostmarkFake() as fake:
        settings.EMAIL_CONFIGURED = True
        settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
        settings.ANYMAIL = {"POSTMARK_API_URL": fake.url, "POSTMARK_SERVER_TOKEN": fake.token}
        settings.DEFAULT_FROM_EMAIL = "App <app@example.com>"
        channel = OverBackend.from_settings()
        note = Note("bob@example.com", subject="Hi\r\nBcc: eve@example.com", html="<p>Hello</p>")
        ids = {channel.send(note), channel.send(note)}
        assert channel.name == "postmark"
        assert len(ids) == 2
        assert all(ids)
        assert fake.connections == 1
        values = fake.requests[0].json()
        assert (values["From"], values["To"]) == ("App <app@example.com>", "bob@example.com")
        assert values["Subject"] == "Hi Bcc: eve@example.com"
        assert (values["TextBody"], values["HtmlBody"]) == ("Hello World", "<p>Hello</p>")
        assert fake.accepted[0].id == str(note.id)
        fake.hang_up()
        channel.send(note)
        assert len(fake.accepted) == 3


def test_a_refusal_that_anymail_cannot_read_is_no_success(settings: Settings) -> None:
    with PostmarkFake() as fake:
        settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
        settings.ANYMAIL = {"POSTMARK_API_URL": fake.url, "POSTMARK_SERVER_TOKEN": fake.token}
        fake.answer(status=422, body='{"ErrorCode": 406, "Message": "In other words"}')
        with pytest.raises(SendError) as caught:
            OverBackend(Writer(sender="app@example.com", default_subject="Hi"), 5).send(Note("bob@example.com"))
        assert caught.value.permanent


@pytest.mark.parametrize("body", ["<html>", "[]", "{}"])
def test_a_200_that_cannot_be_read_is_uncertain(body: str, settings: Settings) -> None:
    with PostmarkFake() as fake:
        settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
        settings.ANYMAIL = {"POSTMARK_API_URL": fake.url, "POSTMARK_SERVER_TOKEN": fake.token}
        fake.answer(body=body)
        with pytest.raises(SendError) as caught:
            OverBackend(Writer(sender="app@example.com", default_subject="Hi"), 5).send(Note("bob@example.com"))
        assert caught.value.uncertain


def test_without_settings_it_names_them(settings: Settings) -> None:
    settings.EMAIL_CONFIGURED = False
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL"):
        configured_providers("EMAIL")
    settings.EMAIL_CONFIGURED = True
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {}
    with pytest.raises(ImproperlyConfigured, match="POSTMARK_SERVER_TOKEN"):
        configured_providers("EMAIL")
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.DEFAULT_FROM_EMAIL = "two@example.com, addresses@example.com"
    with pytest.raises(ImproperlyConfigured, match="DEFAULT_FROM_EMAIL"):
        configured_providers("EMAIL")


@pytest.mark.parametrize("backend", ["anymail.backends.postmrk.EmailBackend", "anymail.backends.postmark.Nothing"])
def test_a_backend_that_is_not_there_is_named(settings: Settings, backend: str) -> None:
    settings.EMAIL_CONFIGURED = True
    settings.EMAIL_BACKEND = backend
    with pytest.raises(ImproperlyConfigured, match="EMAIL_BACKEND"):
        configured_providers("EMAIL")
