"""What staff and callers see of a provider's words: no receiver in any spelling, no credential, at a bounded cost."""

from __future__ import annotations

import re
import time
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.redaction import message_id, queue_id, shown

NUMBER = "+14155550123"
WEBHOOK = "https://hooks.slack.com/services/T024BE7LH/B1/XXsecretXX"


@pytest.mark.parametrize(
    ("words", "secrets", "seen"),
    [
        ("<Bob@Example.com>: unknown; ask admin@example.com", ("bob@example.com",), "<…>: unknown; ask …"),
        ("user bob is not known here", ("bob@example.com",), "user … is not known here"),
        ("bounce+bob=example.com@relay.test", ("bob@example.com",), "…"),
        ("to bob%40example.com", ("bob@example.com",), "to …"),
        ("to bob%2540example.com", ("bob@example.com",), "to …"),
        ("to bob&#64;example.com", ("bob@example.com",), "to …"),
        (r"to bob\u0040example.com", ("bob@example.com",), "to …"),
        ("to bob＠example.com", ("bob@example.com",), "to …"),
        ("to b\u200bob@exa\u202emple.com", ("bob@example.com",), "to …"),
        ("to bob@exämple.com", ("bob@xn--exmple-cua.com",), "to …"),
        ("to BOB+TAG@example.com, that is bob", ("bob+tag@example.com",), "to … that is …"),
        (f"number {NUMBER} is bad", (NUMBER,), "number … is bad"),
        ("number 14155550123 is bad", (NUMBER,), "number … is bad"),
        ("number 0014155550123 is bad", (NUMBER,), "number … is bad"),
        ("number +1 (415) 555-0123 is bad", (NUMBER,), "number … is bad"),
        ("number 415.555.0123 is bad", (NUMBER,), "number … is bad"),
        ("number %2B1%20415%20555%200123 is bad", (NUMBER,), "number … is bad"),
        ("number 0171 2345678 is bad", ("+491712345678",), "number … is bad"),
        (f"no hook {WEBHOOK}", (WEBHOOK,), "no hook …"),
        ("no hook xxSECRETxx in B1", (WEBHOOK,), "no hook … in …"),
        (r"no hook \/services\/T024BE7LH\/B1\/XXsecretXX", (WEBHOOK,), "no hook /services/…/…/…"),
        ("channel C024BE91L is gone", ("C024BE91L",), "channel … is gone"),
        ("token xoxb-123456-abcdef is bad", (), "token … is bad"),
        ("account AC00000000000000000000000000000000 is bad", (), "account … is bad"),
        ("you sent Authorization: Basic QUMwMDAwMDA6c2VjcmV0", (), "you sent Authorization: …"),
        (f"you sent {b64encode(b'pa$$word 1').decode()}", ("pa$$word 1",), "you sent …=="),
        ("password pa$$word 1 is bad", ("pa$$word 1",), "password … is bad"),
        ("nothing to hide: 550 5.1.1", ("bob@example.com", NUMBER), "nothing to hide: 550 5.1.1"),
    ],
)
def test_no_spelling_of_a_secret_is_shown(words: str, secrets: tuple[str, ...], seen: str) -> None:
    assert shown(words, *secrets) == seen
    assert shown(words.encode(), *secrets) == seen


@pytest.mark.parametrize("secret", ["a-rather-long-name@example.com", NUMBER, WEBHOOK, "xoxb-1234567890-abcdefgh"])
def test_no_cut_leaves_half_a_secret(secret: str) -> None:
    """Wherever the words are cut: after the shown ones, or after those that are looked at, which are hidden mostly."""
    hidden = f"{'a' * 50}@example.com "
    for before in ("y" * 270 + " ", hidden * 62):
        for more in range(90):
            words = shown(f"{before}{'y ' * (more // 2)}{'y' * (more % 2)}{secret} {'z' * 9_000}", secret)
            assert len(words) <= 300
            assert secret[5:11] not in words


def test_what_staff_see_is_bounded_and_can_be_printed() -> None:
    assert shown("x" * 10_000) == "x" * 300
    assert shown("a\x00b\nc\td\u202e\ud800e") == "ab c de"


@given(st.text(max_size=3_000), st.text(max_size=100))
def test_no_words_make_it_fail(words: str, secret: str) -> None:
    assert len(shown(words, secret)) <= 300
    assert len(shown(words.encode(errors="surrogatepass"), secret)) <= 300


@pytest.mark.parametrize(
    "piece",
    ["@", "a", "a@", "@a", "a.", " ", "%", "%2540", "&#64;", "&#6", "\\u0040", "1", "1 ", "(", "xoxb-", "Basic ", "ﷺ"],
)
def test_its_cost_does_not_grow_with_what_a_provider_says(piece: str) -> None:
    words = piece * (2**20 // len(piece))
    before = time.thread_time()
    shown(words, "bob@example.com", NUMBER, WEBHOOK)
    queue_id(words, "bob@example.com")
    assert time.thread_time() - before < 1.0


@pytest.mark.parametrize(
    ("values", "secrets", "kept"),
    [
        ("SM1234", (), True),
        ("", (), False),
        (None, (), False),
        (5, (), False),
        ({"SM1234"}, (), False),
        ("SM1234\n", (), False),
        ("SM" + "1" * 254, (), False),
        ("SM<bob@example.com>", ("bob@example.com",), False),
        ("SM-bob-1234", ("bob@example.com",), False),
        ("SM-bobby-1234", ("bob@example.com",), True),
        ("SM14155550123", (NUMBER,), False),
        ("SM00004155550123", (NUMBER,), False),
    ],
)
def test_an_id_is_kept_only_where_it_looks_like_one_and_holds_no_receiver(
    values: object, secrets: tuple[str, ...], kept: bool
) -> None:
    assert message_id(re.compile(r"SM[0-9a-z@<>.-]+"), values, *secrets) == (values if kept else "")


@pytest.mark.parametrize(
    ("words", "seen"),
    [
        ("2.0.0 Ok: queued as 4XyZabcd", "4XyZabcd"),
        ("OK id=1rGxYz-0004Ab-2C", "1rGxYz-0004Ab-2C"),
        ("2.6.0 <a.b@host.test> [InternalId=42949, Hostname=x] Queued mail for delivery", "42949"),
        ("2.0.0 OK  1700000000 ab12-cd34si5678.90 - gsmtp", "1700000000"),
        ("ok 1700000000 qp 12345", "1700000000"),
        ("Ok 0102018f-1a2b-000000", "0102018f-1a2b-000000"),
        ("2.0.0 3fb1b4a1 Message accepted for delivery", "3fb1b4a1"),
        ("2.0.0 Ok", ""),
        ("", ""),
        ("queued for <bob@example.com>", ""),
        ("2.0.0 Ok: queued as bob@example.com", ""),
        ("2.0.0 Ok: queued as bob", ""),
        ("2.0.0 Ok: queued as bob=example.com@relay.test", ""),
        ("2.0.0 Ok: 5 mails queued for bob@example.com", "5"),
        ("2.0.0 Ok: queued as " + "a" * 500, ""),
    ],
)
def test_of_a_mail_servers_words_only_the_id_is_kept(words: str, seen: str) -> None:
    assert queue_id(words, "bob@example.com") == seen
