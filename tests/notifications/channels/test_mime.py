"""The text of a mail: every end of a line, every header, and the identity that mail clients go by."""

from __future__ import annotations

import email
from dataclasses import replace
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from typing import Any

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.email.address import parse_sender
from notifications.channels.email.mime import Mail, mime, written_sender
from notifications.channels.email.writer import Writer
from tests.notifications.channels.parts import Note

SUBJECTS = ["Hello", "Grüße " * 40, "x" * 255, "ä" * 255, "=?utf-8?q?no?=", "日本語" * 80, "tab\there", ""]
NAMES = [
    "App",
    "Äpp",
    "Ä" + "b" * 59,
    "ü" * 200,
    "Ein sehr langer Name mit Umlauten wie ä, ö und ü, und noch viel länger",
    "Shop, Inc.",
    'The "best" Shop',
    "a" * 200,
    "日本語" * 60,
    "=?utf-8?q?no?=",
    "(brackets) <of> every: kind; @",
]


def parse(mail: bytes) -> EmailMessage:
    return email.message_from_bytes(mail, policy=default)


def written(**fields: str) -> bytes:
    values = {"sender": "a@example.com", "receiver": "b@example.com", "subject": "Hi", "text": "Hello", "html": ""}
    return mime(Mail(**(values | {"message_id": "<id@example.com>"} | fields)))


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content.replace("\r\n", "\n")


def check_lines(mail: bytes) -> None:
    assert mail.isascii()
    assert mail.endswith(b"\r\n")
    rest = mail.replace(b"\r\n", b"")
    assert b"\n" not in rest
    assert b"\r" not in rest
    assert max(map(len, mail.split(b"\r\n"))) <= 998


# Mail has no way to say a control character other than tab and line breaks in a text part.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\t\n"), max_size=2_000)


@given(text=TEXT, html=TEXT, subject=st.text(st.characters(exclude_categories=["Cs", "C", "Z"]), max_size=255))
def test_every_text_survives_the_mail(text: str, html: str, subject: str) -> None:
    mail = written(subject=subject, text=text, html=html)
    check_lines(mail)
    parsed = parse(mail)
    if html:  # of two parts, where the last line break of each belongs to the boundary
        assert (part(parsed, "plain"), part(parsed, "html")) == (text, html)
    else:
        assert part(parsed, "plain") == text + "\n"
    assert (parsed["Subject"] or "").strip() == subject


def test_a_very_long_line_is_folded() -> None:
    mail = written(text="x" * 250_000)
    check_lines(mail)
    assert part(parse(mail), "plain").rstrip("\n") == "x" * 250_000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("address", ["app@example.com", f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.example"])
def test_a_senders_name_in_any_script(name: str, address: str) -> None:
    sender = written_sender(name, address)
    assert parse_sender(sender) == (name, address)
    mail = written(sender=sender)
    check_lines(mail)
    values, read = parseaddr(email.message_from_bytes(mail)["From"])
    assert (str(make_header(decode_header(values))), read) == (name, address)
    raw = mail.partition(b"\r\nTo: ")[0].decode()
    assert all(line and not line.isspace() for line in raw.split("\r\n"))
    assert all(len(line) <= 76 or "=?" not in line for line in raw.split("\r\n")), "RFC 2047 2: an encoded word's line"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_header_ends_its_lines_as_smtp_wants(subject: str) -> None:
    mail = written(sender="Ä" * 100 + " <app@example.com>", subject=subject, html="<p>Hi</p>")
    check_lines(mail)
    names = [line.partition(b":")[0] for line in mail.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] != b" "]
    assert names == [
        *(b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"MIME-Version", b"Content-Type")
    ]


def test_it_says_that_no_person_wrote_it() -> None:
    assert parse(written())["Auto-Submitted"] == "auto-generated"


# Identity.


def ids(*notes: Note) -> list[str]:
    writer = Writer(sender="App <app@example.com>", default_subject="Hi")
    return [writer.mail(note).message_id for note in notes]


NOTE = Note("bob@example.com", "Hello", subject="Hi", html="<p>Hello</p>")


def test_a_repetition_keeps_its_message_id() -> None:
    first, second = ids(NOTE, replace(NOTE, receiver="bob@EXAMPLE.com"))
    assert first == second
    assert first.startswith(f"<{NOTE.id}@")
    assert first.endswith(".example.com>")


@pytest.mark.parametrize(
    "changes",
    [
        {"message": "Hallo"},
        {"subject": "Hi!"},
        {"html": ""},
        {"html": "<p>Hallo</p>"},
        {"subject": "", "message": "HiHello"},
    ],
)
def test_a_changed_text_is_another_mail(changes: dict[str, Any]) -> None:
    first, second = ids(NOTE, replace(NOTE, **changes))
    assert first != second


def test_two_notifications_are_two_mails() -> None:
    first, second = ids(NOTE, Note("bob@example.com", "Hello", subject="Hi", html="<p>Hello</p>"))
    assert first != second


def test_a_mail_that_one_can_unsubscribe_from_says_where_on_lines_of_their_own() -> None:
    address = "https://notifications.example.com/u/" + "A" * 860
    mail = written(unsubscribe=address)
    check_lines(mail)
    assert f"\r\nList-Unsubscribe: <{address}>\r\n".encode() in mail
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in mail
    assert b"List-Unsubscribe" not in written()


def test_each_mail_has_the_time_at_which_it_was_written() -> None:
    with time_machine.travel(0, tick=False) as clock:
        dates = [parse(written())["Date"]]
        clock.shift(1.5)
        dates += [parse(written())["Date"], parse(written())["Date"]]
    assert dates == ["Thu, 01 Jan 1970 00:00:00 -0000", *["Thu, 01 Jan 1970 00:00:01 -0000"] * 2]
