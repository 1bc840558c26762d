"""The variables of the e-mail channel: what they lead to, and one sentence for what they must not hold."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import global_settings

from project import environment

KINDS = {  # scheme → (port, STARTTLS, TLS at once)
    "smtp": (25, False, False),
    "smtp+tls": (587, True, False),
    "smtp+ssl": (465, False, True),
    "smtps": (465, False, True),
}


def read(monkeypatch: pytest.MonkeyPatch, url: str) -> dict[str, Any]:
    monkeypatch.setenv("EMAIL_URL", url)
    return environment.email_url("EMAIL_URL")._asdict()


@pytest.mark.parametrize("scheme", KINDS)
@pytest.mark.parametrize("port", ["", ":2525"])
def test_a_scheme_says_port_and_tls(scheme: str, port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, f"{scheme}://mail.example.com{port}")
    default, starttls, at_once = KINDS[scheme]
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example.com", int(port[1:] or default))
    assert (found["EMAIL_USE_TLS"], found["EMAIL_USE_SSL"]) == (starttls, at_once)


@pytest.mark.parametrize(
    ("login", "user", "password"),
    [
        ("app:secret@", "app", "secret"),
        ("app:p%C3%A4ss@", "app", "päss"),
        ("app:pässwörd@", "app", "pässwörd"),
        ("app%40example.com:a%2Fb%3Fc%23d%3Ae%25+f@", "app@example.com", "a/b?c#d:e%+f"),
        ("app@example.com:secret@", "app@example.com", "secret"),
        ("", "", ""),
    ],
)
def test_user_and_password(login: str, user: str, password: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, f"smtp+tls://{login}mail.example.com:587/")
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == (user, password)


def test_hosts_in_other_scripts_and_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch, "smtp://faß.example")["EMAIL_HOST"] == "xn--fa-hia.example"
    assert read(monkeypatch, "smtp://[::1]:25")["EMAIL_HOST"] == "::1"
    assert read(monkeypatch, "") == {name: getattr(global_settings, name) for name in environment.MailServer._fields}


@pytest.mark.parametrize(
    "url",
    [
        "submission://mail.example.com",
        "smtp+starttls://mail.example.com",
        "consolemail://",
        "dummymail://x",
        "http://mail.example.com",
        "mail.example.com:25",
        "smtp://",
        "smtp:///path",
        "smtp://user:pass@",
        "smtp://mail.example.com:99999",
        "smtp://mail.example.com:0",
        "smtp://mail.example.com:x",
        "smtp://mail.example.com/path",
        "smtp://mail.example.com?ssl=True",
        "smtp://mail.example.com#x",
        "smtp://app:pa/ss@mail.example.com",
        "smtp://app:pa#ss@mail.example.com",
        "smtp://app:p%E4ss@mail.example.com",
        "smtp://app:a%00b@mail.example.com",
        "smtp://app:a%0Ab@mail.example.com",
        "smtp://[::1",
        "smtp://☃.example",
        f"smtp://{'a' * 64}ä.example",
    ],
)
def test_a_url_that_means_nothing_is_refused(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read(monkeypatch, url)
    sentence = str(ended.value)
    assert sentence.startswith("EMAIL_URL must ")
    assert sentence.endswith(".")
    assert "pass" not in sentence.replace("password", ""), "a secret is not repeated"


@pytest.mark.parametrize(
    "sender",
    [
        "app@example.com",
        "App <app@example.com>",
        "Äpp <app@faß.example>",
        '"Shop, Inc." <a@b.example>',
        "app@localhost",
    ],
)
def test_senders_that_are_taken(sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFAULT_FROM_EMAIL", sender)
    assert environment.sender("DEFAULT_FROM_EMAIL", "") == sender


@pytest.mark.parametrize(
    "sender",
    [
        "jürgen@example.com",
        "Jürgen <jürgen@example.com>",
        "app@☃.example",
        "a@example.com, b@example.com",
        "App <a@example.com>, b@example.com",
        "App",
        "App <>",
        "<App> a@example.com",
        "a@example.com\nBcc: b@example.com",
        "a@[127.0.0.1]",
        '"a b"@example.com',
        f"{'a' * 65}@example.com",
        "x" * 1_000_000,
        "<" * 1_000_000,
        '"\\' * 500_000,
    ],
)
def test_senders_that_are_refused(sender: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Some are longer than an environment may hold.
    monkeypatch.setattr(environment.AsTheyStand, "__getitem__", lambda *_: sender)
    with pytest.raises(SystemExit, match=r"\ADEFAULT_FROM_EMAIL must be .*\.\Z"):
        environment.sender("DEFAULT_FROM_EMAIL", "")


@pytest.mark.parametrize("name", ["", "app.example.com", "[192.0.2.1]", "[IPv6:2001:db8::1]"])
def test_names_for_ehlo(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_HELO", name)
    assert environment.helo("EMAIL_HELO") == name


@pytest.mark.parametrize(
    "name",
    [
        "c93fcab98fcb",
        "localhost",
        "my_host.example.com",
        "10.0.0.1",
        "[10.0.0]",
        "[::1]",
        "[IPv6:x]",
        "a b.c",
        "a.b\r\nMAIL",
        "ä.de",
    ],
)
def test_names_that_a_strict_server_refuses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_HELO", name)
    with pytest.raises(SystemExit, match="EMAIL_HELO must be a full host name"):
        environment.helo("EMAIL_HELO")
