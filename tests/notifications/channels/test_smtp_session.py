"""How a session begins: the time it may take in each phase, the name it says, and how it logs in."""

from __future__ import annotations

import base64
import hmac
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

import pytest

from harness.fakes.smtp import SmtpFake
from notifications.channels.outcomes import About, Cause, Outcome, SendError
from notifications.channels.transport.smtp.client import Smtp
from notifications.channels.transport.smtp.session import Tls
from notifications.channels.transport.smtp.wire import MAX_REPLY
from tests.notifications.channels.on_loop import WaitingSmtp
from tests.notifications.channels.raw import Dialogue, dialogue, unanswered

MAIL = ("a@example.com", "b@example.com", b"Message-ID: <1@example.com>\r\n\r\nHi\r\n")
FOR_EVER = 400  # bytes, one each twentieth of a second: longer than any deadline here


def smtp(
    port: int,
    *,
    timeout: float = 5,
    tls: Tls = "",
    login: tuple[str, str] = ("", ""),
    helo: str = "",
    host: str = "127.0.0.1",
) -> WaitingSmtp:
    return WaitingSmtp(Smtp(host, port, user=login[0], password=login[1], tls=tls, timeout=timeout, helo=helo))


def failure(client: WaitingSmtp) -> SendError:
    with pytest.raises(SendError) as caught:
        client.send(*MAIL)
    return caught.value


# Time.


def drip_greeting(server: Dialogue) -> bool:
    return server.drip(b"220 " + b"x" * FOR_EVER, 0.05)


def drip_ehlo(server: Dialogue) -> bool:
    server.write(b"220 raw\r\n")
    server.read_until(b"\r\n")
    return server.drip(b"250-" + b"x" * FOR_EVER, 0.05)


def drip_lines(server: Dialogue) -> bool:
    server.write(b"220 raw\r\n")
    server.read_until(b"\r\n")
    return server.drip(b"250-X\r\n" * FOR_EVER, 0.01)


def drip_starttls(server: Dialogue) -> bool:
    server.greet(b"STARTTLS")
    server.read_until(b"\r\n")
    return server.drip(b"220 " + b"x" * FOR_EVER, 0.05)


def drip_handshake(server: Dialogue) -> bool:
    server.greet(b"STARTTLS")
    server.read_until(b"\r\n")
    server.write(b"220 go\r\n")
    return server.drip(b"\x16\x03\x03\x40\x00" + b"\x02" * FOR_EVER, 0.05)


def drip_handshake_at_once(server: Dialogue) -> bool:
    return server.drip(b"\x16\x03\x03\x40\x00" + b"\x02" * FOR_EVER, 0.05)


def drip_auth(server: Dialogue) -> bool:
    server.greet(b"AUTH PLAIN")
    server.read_until(b"\r\n")
    return server.drip(b"235 " + b"x" * FOR_EVER, 0.05)


def drip_envelope(server: Dialogue) -> bool:
    server.greet()
    server.read_until(b"\r\n")
    return server.drip(b"250 " + b"x" * FOR_EVER, 0.05)


def drip_after_the_mail(server: Dialogue) -> bool:
    server.greet(b"PIPELINING")
    server.read_until(b"DATA\r\n")
    server.write(b"250 Ok\r\n250 Ok\r\n354 Go on\r\n")
    server.read_until(b"\r\n.\r\n")
    return server.drip(b"250 " + b"x" * FOR_EVER, 0.05)


@pytest.mark.parametrize(
    ("drip", "tls", "login", "outcome"),
    [
        (drip_greeting, "", False, Outcome.TRANSIENT),
        (drip_ehlo, "", False, Outcome.TRANSIENT),
        (drip_lines, "", False, Outcome.TRANSIENT),
        (drip_starttls, "starttls", False, Outcome.TRANSIENT),
        (drip_handshake, "starttls", False, Outcome.TRANSIENT),
        (drip_handshake_at_once, "ssl", False, Outcome.TRANSIENT),
        (drip_auth, "", True, Outcome.TRANSIENT),
        (drip_envelope, "", False, Outcome.TRANSIENT),
        (drip_after_the_mail, "", False, Outcome.UNCERTAIN),
    ],
)
def test_slow_bytes_do_not_outlast_the_deadline(
    drip: Callable[[Dialogue], bool], tls: Tls, login: bool, outcome: Outcome
) -> None:
    def serve(server: Dialogue) -> None:
        assert not drip(server), "the client leaves before the server is through"

    with dialogue(serve) as port:
        client = smtp(port, timeout=0.5, tls=tls, login=("user", "right") if login else ("", ""))
        assert failure(client).outcome is outcome


@pytest.mark.parametrize("phase", ["greeting", "ehlo"])
def test_a_server_may_take_longer_than_connecting(phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.channels.transport.connection.CONNECT_SECONDS", 0.1)

    def serve(server: Dialogue) -> None:
        server.drip(b"220 raw\r\n", 0.05 if phase == "greeting" else 0)
        server.read_until(b"\r\n")
        server.drip(b"250 raw\r\n", 0.05 if phase == "ehlo" else 0)
        for reply in (b"250 Ok\r\n", b"250 Ok\r\n", b"354 Go on\r\n"):
            server.read_until(b"\r\n")
            server.write(reply)
        server.read_until(b"\r\n.\r\n")
        server.write(b"250 Taken\r\n")

    with dialogue(serve) as port:
        assert smtp(port).send(*MAIL) == "Taken"


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_args, **_named: found)


def test_addresses_that_do_not_answer_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with unanswered() as dead, SmtpFake() as fake:
        resolve_to(monkeypatch, *[dead] * 6, ("127.0.0.1", fake.port))
        assert smtp(25, host="many.example").send(*MAIL)


def test_an_address_that_refuses_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = closed.getsockname()[:2]
    with SmtpFake() as fake:
        resolve_to(monkeypatch, refusing, ("127.0.0.1", fake.port))
        assert smtp(25, host="many.example").send(*MAIL)


def test_connecting_has_its_time_over_all_addresses_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.channels.transport.connection.CONNECT_SECONDS", 0.4)
    with unanswered() as dead:
        resolve_to(monkeypatch, *[dead] * 1_000)  # one after the other they would take minutes
        error = failure(smtp(25, host="many.example", timeout=60))
        assert (error.cause, error.outcome, error.about) == (Cause.CONNECTION, Outcome.TRANSIENT, About.PROVIDER)


def test_a_name_that_is_never_found_has_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifications.channels.transport.connection.CONNECT_SECONDS", 0.2)
    over = threading.Event()

    def never(*_args: object, **_named: object) -> list[object]:
        over.wait(60)
        return []

    monkeypatch.setattr("socket.getaddrinfo", never)
    assert failure(smtp(25, host="slow.example", timeout=60)).cause is Cause.CONNECTION
    over.set()


@pytest.mark.parametrize(
    "sent_by_server",
    [
        b"220 " + b"x" * 100_000,
        b"220-x\r\n" * (MAX_REPLY // 4),
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\xff\xfe\r\n",
        b"\r\n",
    ],
    ids=["endless line", "endless reply", "HTTP", "bytes", "nothing"],
)
def test_what_is_not_smtp_is_no_connection(sent_by_server: bytes) -> None:
    def serve(server: Dialogue) -> None:
        with suppress(ConnectionError):  # the client may leave in the middle
            server.write(sent_by_server)
            server.read_until(b"MAIL")

    with dialogue(serve) as port:
        error = failure(smtp(port))
        assert (error.cause, error.outcome) == (Cause.CONNECTION, Outcome.TRANSIENT)
        assert len(error.detail) < 400


def test_clear_text_behind_starttls_is_not_believed() -> None:
    """CVE-2011-0411: what an attacker adds before the handshake is not an answer to what the client sends after it."""

    def serve(server: Dialogue) -> None:
        server.greet(b"STARTTLS")
        server.read_until(b"\r\n")
        server.write(b"220 go\r\n250-raw\r\n250 AUTH PLAIN\r\n235 fine\r\n")
        assert b"AUTH" not in server.read_until(b"AUTH")

    with dialogue(serve) as port:
        assert failure(smtp(port, tls="starttls", timeout=0.5, login=("user", "right"))).cause is Cause.CONNECTION


# The name.


@pytest.mark.parametrize(
    ("machine", "helo", "sent_by_server"),
    [
        ("c93fcab98fcb", "", "[127.0.0.1]"),
        ("localhost", "", "[127.0.0.1]"),
        ("localhost.localdomain", "", "[127.0.0.1]"),
        ("1.0.0.127.in-addr.arpa", "", "[127.0.0.1]"),
        ("my_host.example.com", "", "[127.0.0.1]"),
        ("10.0.0.1", "", "[127.0.0.1]"),
        ("app.example.com", "", "app.example.com"),
        ("c93fcab98fcb", "mail.example.com", "mail.example.com"),
        ("app.example.com", "[192.0.2.1]", "[192.0.2.1]"),
    ],
)
def test_ehlo_says_a_full_name_or_an_address(
    machine: str, helo: str, sent_by_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.getfqdn", lambda: machine)
    with SmtpFake() as fake:
        smtp(fake.port, helo=helo).send(*MAIL)
        assert fake.names == [sent_by_server]


def test_an_ipv6_address_says_that_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getfqdn", lambda: "c93fcab98fcb")

    def serve(server: Dialogue) -> None:
        server.write(b"220 raw\r\n")
        assert server.read_until(b"\r\n") == b"EHLO [IPv6:::1]\r\n"

    with dialogue(serve, host="::1") as port:
        failure(smtp(port, host="::1"))


@pytest.mark.parametrize("refusal", [b"500 What?\r\n", b"502 Not implemented\r\n"])
def test_a_server_too_old_for_ehlo_gets_helo(refusal: bytes) -> None:
    def serve(server: Dialogue) -> None:
        server.write(b"220 raw\r\n")
        server.read_until(b"\r\n")
        server.write(refusal)
        assert server.read_until(b"\r\n").startswith(b"HELO ")
        server.write(b"250 raw\r\n")
        assert server.read_until(b"\r\n") == b"MAIL FROM:<a@example.com>\r\n"

    with dialogue(serve) as port:
        failure(smtp(port))


# Logging in.

PASSWORDS = ["pässwörd", "密码", "p@ss:w/rd %41", "x" * 600]


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_passwords_are_utf_8(mechanism: str, password: str) -> None:
    with SmtpFake(login=("üser", password)) as fake:
        fake.mechanisms = (mechanism,)
        smtp(fake.port, login=("üser", password)).send(*MAIL)
        assert len(fake.mails) == 1


@pytest.mark.parametrize("password", PASSWORDS)
def test_cram_md5(password: str) -> None:
    """RFC 2195, which the fake does not speak."""

    def serve(server: Dialogue) -> None:
        server.greet(b"AUTH CRAM-MD5")
        assert server.read_until(b"\r\n") == b"AUTH CRAM-MD5\r\n"
        server.write(b"334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n")
        challenge = b"<1896.697170952@postoffice.reston.mci.net>"
        digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
        assert base64.b64decode(server.read_until(b"\r\n")).decode() == f"üser {digest}"
        server.write(b"235 fine\r\n")
        assert server.read_until(b"\r\n").startswith(b"MAIL")

    with dialogue(serve) as port:
        failure(smtp(port, login=("üser", password)))


@pytest.mark.parametrize(
    "extensions",
    [(b"AUTH XOAUTH2",), (b"AUTH XOAUTH2 OAUTHBEARER GSSAPI",), (b"AUTH",), (b"AUTH " + b"X" * 5_000,), ()],
    ids=["XOAUTH2", "several", "none named", "long", "no AUTH"],
)
def test_a_server_with_no_mechanism_of_ours_waits_for_people(extensions: tuple[bytes, ...]) -> None:
    def serve(server: Dialogue) -> None:
        server.greet(*extensions)
        assert server.read_until(b"MAIL") == b""

    with dialogue(serve) as port:
        error = failure(smtp(port, login=("user", "right")))
    assert (error.cause, error.outcome, error.about) == (Cause.CREDENTIALS, Outcome.TRANSIENT, About.ACCOUNT)
    assert "offers" in error.detail


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        ("535 5.7.8 Authentication credentials invalid for user, pässwörd", Cause.CREDENTIALS),
        ("534 5.7.9 Application-specific password required", Cause.CREDENTIALS),
        ("432 4.7.12 A password transition is needed", Cause.CREDENTIALS),
        ("504 5.5.4 Unrecognized authentication type", Cause.CREDENTIALS),
        ("500 What?", Cause.CREDENTIALS),
        ("454 4.7.0 Temporary authentication failure", Cause.PROVIDER_ERROR),
        ("421 4.7.0 Too many login attempts", Cause.THROTTLED),
    ],
)
def test_a_refused_login(reply: str, cause: Cause) -> None:
    def serve(server: Dialogue) -> None:
        server.greet(b"AUTH PLAIN")
        server.read_until(b"\r\n")
        server.write(f"{reply}\r\n".encode())

    with dialogue(serve) as port:
        error = failure(smtp(port, login=("user", "pässwörd")))
    assert (error.cause, error.permanent) == (cause, False)
    assert error.about not in (About.RECEIVER, About.TEXT)
    assert "pässwörd" not in error.detail
