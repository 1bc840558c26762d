"""What a refusal means: the tables in docs/channels.md, and what a real Postfix says with its defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from harness.fakes.smtp import SmtpFake
from harness.services import postfix
from harness.services.shared import skip_without
from notifications.channels.email.smtp import OverSmtp
from notifications.channels.email.writer import Writer
from notifications.channels.outcomes import About, Cause, Outcome, SendError
from notifications.channels.transport.smtp.client import Smtp
from notifications.channels.transport.smtp.replies import MAX_WORDS, Phase, meaning_of, refusal
from tests.notifications.channels.parts import Note, table

PHASES: tuple[Phase, ...] = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot")
DETAILS = {1: 10, 2: 4, 3: 6, 4: 7, 5: 6, 6: 10, 7: 30}  # IANA's registry: the highest detail of each subject


def json_of(phase: Phase, code: int, text: str) -> str:
    meaning = meaning_of(phase, code, text.encode())
    return f"{meaning.cause}, {meaning.about}"


def documented(heading: str, columns: tuple[Phase, ...]) -> list[tuple[str, Phase, str]]:
    """(code, phase, cell) of a table whose first cells hold codes."""
    return [
        (code, phase, cell)
        for first, *cells in table(heading)
        for code in re.findall(r"`([0-9.]+)`", first)
        for phase, cell in zip(columns, cells, strict=True)
    ]


@pytest.mark.parametrize(("code", "phase", "cell"), documented("Enhanced status codes", ("mail", "rcpt", "dot")))
def test_enhanced_codes(code: str, phase: Phase, cell: str) -> None:
    assert json_of(phase, 550, f"{code} Anything") == cell
    assert json_of(phase, 554, f"{code} Anything") == cell, "the enhanced code says more than the reply code"


def test_every_enhanced_code_of_the_registry_is_in_the_table() -> None:
    there = {code for code, _, _ in documented("Enhanced status codes", ("mail", "rcpt", "dot"))}
    registry = {f"5.{subject}.{detail}" for subject, last in DETAILS.items() for detail in range(last + 1)}
    by_reply_code = {code for code in registry if code.startswith("5.5.") and code != "5.5.3"}
    assert there - {"5.2.252"} == registry - by_reply_code - {"5.1.5"}  # x.1.5 is a success


@pytest.mark.parametrize(
    ("code", "phase", "cell"), documented("Reply codes", ("connect", "auth", "mail", "rcpt", "dot"))
)
def test_reply_codes(code: str, phase: Phase, cell: str) -> None:
    assert json_of(phase, int(code), "Anything") == cell
    assert json_of(phase, int(code), "5.0.0 Anything") == cell
    assert json_of(phase, int(code), "5.5.1 Anything") == cell


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("subject", [None, *DETAILS])
def test_only_receiver_and_text_can_end_a_mail(phase: Phase, subject: int | None) -> None:
    details = [""] if subject is None else [f"{subject}.{detail}" for detail in (*range(32), 252)]
    for code in (400, 421, 432, 450, 451, 452, 454, 455, *range(500, 560)):
        for detail in details:
            meaning = meaning_of(phase, code, f"{code // 100}.{detail} x".encode())
            assert not meaning.permanent or (code >= 500 and meaning.about in (About.RECEIVER, About.TEXT))
            if phase not in ("rcpt", "data", "dot"):
                assert meaning.about is not About.RECEIVER, "nobody has named one"
            if phase not in ("mail", "rcpt", "data", "dot"):
                assert meaning.about is not About.TEXT


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("text", ["4.4.5", "4.5.3", "4.7.28", "5.4.5", "5.5.3", "5.7.28"])
def test_quotas_and_floods_wait_at_every_phase(phase: Phase, text: str) -> None:
    for code in (450, 452, 550, 552, 554):
        assert json_of(phase, code, text) == "throttled, account"


@pytest.mark.parametrize(
    ("phase", "code", "text", "meaning"),
    [
        ("rcpt", 450, "4.7.1 Greylisted", "provider-error, receiver"),
        ("rcpt", 450, "4.2.0 <bob@example.com>: Recipient address rejected: Greylisted", "provider-error, receiver"),
        ("rcpt", 451, "Greylisted", "provider-error, receiver"),
        ("rcpt", 452, "4.2.2 Over quota", "mailbox-full, receiver"),
        ("rcpt", 450, "4.1.8 <a@example.com>: Sender address rejected: Domain not found", "credentials, sender"),
        ("rcpt", 450, "4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]", "credentials, account"),
        ("rcpt", 450, "4.7.1 <c93f>: Helo command rejected: Host not found", "credentials, account"),
        ("rcpt", 454, "4.7.1 <bob@example.com>: Relay access denied", "credentials, account"),
        ("rcpt", 421, "4.7.0 Error: too many errors", "throttled, account"),
        ("rcpt", 421, "4.3.2 Shutting down", "provider-error, provider"),
        ("mail", 450, "4.1.0 Not now", "provider-error, sender"),
        ("mail", 450, "4.7.1 Not now", "provider-error, account"),
        ("mail", 454, "Throttling failure: Daily message quota exceeded", "throttled, account"),
        ("auth", 454, "4.7.0 Temporary authentication failure", "provider-error, account"),
        ("starttls", 454, "TLS not available", "provider-error, provider"),
        ("connect", 421, "Too busy", "throttled, account"),
        ("dot", 450, "4.1.1 Not now", "provider-error, receiver"),
        ("dot", 452, "4.2.2 Over quota", "mailbox-full, receiver"),
        ("dot", 451, "4.7.1 Not now", "provider-error, provider"),
        ("data", 451, "4.3.0 Not now", "provider-error, provider"),
        ("data", 550, "5.1.1 No such user", "unknown-receiver, receiver"),
        (
            "rcpt",
            553,
            "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)",
            "rejected-content, receiver",
        ),
        ("rcpt", 550, "sorry, no mailbox here by that name (#5.1.1)", "unknown-receiver, receiver"),
        ("dot", 554, "5.2.252 SendAsDenied; not allowed to send as", "credentials, sender"),
        ("rcpt", 554, "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using x", "credentials, account"),
        ("rcpt", 550, "5.7.1 Service unavailable, Client host [192.0.2.1] blocked using x", "credentials, account"),
        ("rcpt", 553, "5.7.1 <a@example.com>: Sender address rejected: not owned by user a", "credentials, sender"),
        (
            "rcpt",
            504,
            "5.5.2 <bob>: Recipient address rejected: need fully-qualified address",
            "invalid-receiver, receiver",
        ),
        ("rcpt", 550, "5.1.1 <x>: Recipient address rejected: User unknown", "unknown-receiver, receiver"),
        ("rcpt", 550, "5.1.1 Nobody; Client host rejected: is not how Postfix begins", "unknown-receiver, receiver"),
    ],
)
def test_others(phase: Phase, code: int, text: str, meaning: str) -> None:
    assert json_of(phase, code, text) == meaning


def test_a_long_reply_is_cut_before_it_is_read() -> None:
    error = refusal("rcpt", 550, b"5.1.1 " + b"<" * 60_000 + b"(#5" * 10_000)
    assert error.cause is Cause.UNKNOWN_RECEIVER
    assert len(error.detail) <= MAX_WORDS


# Rules against us, as answers to one receiver after the other.


def send(fake: SmtpFake, email: OverSmtp, receiver: str) -> SendError | None:
    try:
        email.send(Note(receiver))
    except SendError as error:
        return error
    return None


@pytest.fixture
def fake() -> Iterator[SmtpFake]:
    with SmtpFake() as fake:
        yield fake


def channel(port: int) -> OverSmtp:
    smtp = Smtp("127.0.0.1", port, user="", password="", tls="", timeout=5, helo="c93fcab98fcb")
    return OverSmtp(Writer(sender="app@example.com", default_subject="Hi"), smtp)


RCPT, DOT = "rcpt", "dot"  # phases of the fake


@pytest.mark.parametrize(
    ("phase", "replies"),
    [
        (RCPT, ["550 5.7.1 Not allowed"]),
        (RCPT, ["554 Refused"]),
        (RCPT, ["550 5.7.1 Not allowed", "554 5.7.0 Blocked"]),
        (DOT, ["550 5.7.1 The IP you're using is not authorized"]),
    ],
)
def test_several_receivers_refused_in_a_row_are_our_fault(fake: SmtpFake, phase: str, replies: list[str]) -> None:
    email = channel(fake.port)
    assert send(fake, email, "ann@example.com") is None, "it may begin to refuse us at any time"
    errors = []
    for number in range(6):
        fake.answer(phase=phase, reply=replies[number % len(replies)])
        errors.append(send(fake, email, f"bob{number}@example.com"))
    assert [error and (error.cause, error.permanent) for error in errors] == [
        *[(Cause.PROVIDER_ERROR, False)] * 2,  # nobody knows yet
        *[(Cause.CREDENTIALS, False)] * 4,
    ]
    assert errors[-1] and errors[-1].about is About.ACCOUNT


@pytest.mark.parametrize("phase", [RCPT, DOT])
def test_a_rule_is_of_one_mail_where_others_are_taken_meanwhile(fake: SmtpFake, phase: str) -> None:
    email = channel(fake.port)
    fake.answer("bob@example.com", phase=phase, reply="550 5.7.1 Not allowed")
    first, again = send(fake, email, "bob@example.com"), send(fake, email, "bob@example.com")
    assert first and again and not first.permanent and not again.permanent
    assert send(fake, email, "ann@example.com") is None
    last = send(fake, email, "bob@example.com")
    assert last and (last.cause, last.permanent) == (Cause.REJECTED_CONTENT, True)


@pytest.mark.parametrize(
    "words", ["relay not permitted", "5.7.1 <bob@x.example>... Relaying denied", "5.7.54 Unable to relay"]
)
def test_who_may_not_relay_is_us(words: str) -> None:
    assert refusal("rcpt", 550, words.encode()).about is About.ACCOUNT


def test_unknown_receivers_in_a_row_stay_unknown(fake: SmtpFake) -> None:
    email = channel(fake.port)
    fake.answer(phase="rcpt", reply="550 5.1.1 No such user")
    for number in range(8):
        error = send(fake, email, f"bob{number}@example.com")
        assert error and (error.cause, error.permanent) == (Cause.UNKNOWN_RECEIVER, True)


RULES = {
    "client": ("smtpd_client_restrictions=reject", Cause.CREDENTIALS, About.ACCOUNT),
    "helo": ("smtpd_helo_restrictions=reject_non_fqdn_helo_hostname", Cause.CREDENTIALS, About.ACCOUNT),
    "sender": ("smtpd_sender_restrictions=reject", Cause.CREDENTIALS, About.SENDER),
    "sender unknown": (
        "smtpd_sender_restrictions=check_sender_access static:{550 5.1.0 unknown}",
        Cause.CREDENTIALS,
        About.SENDER,
    ),
    "relay": ("smtpd_relay_restrictions=reject_unauth_destination", Cause.CREDENTIALS, About.ACCOUNT),
    "every receiver": ("smtpd_recipient_restrictions=reject", Cause.PROVIDER_ERROR, About.RECEIVER),
    "greylist": (
        "smtpd_recipient_restrictions=check_recipient_access static:{450 4.7.1 Greylisted}",
        Cause.PROVIDER_ERROR,
        About.RECEIVER,
    ),
    "taken": ("smtpd_helo_required=yes", None, None),
}


def test_a_real_postfix_with_its_defaults() -> None:
    skip_without(postfix.missing_program())
    with postfix.Postfix({name: rule for name, (rule, _, _) in RULES.items()}) as server:
        for name, (_, cause, about) in RULES.items():
            receiver = "bob@elsewhere.example" if name == "relay" else "bob@example.com"
            try:
                channel(server.ports[name]).send(Note(receiver))
            except SendError as error:
                assert (error.cause, error.about) == (cause, about), (name, error.detail)
                assert error.outcome is Outcome.TRANSIENT, name
            else:
                assert cause is None, name
