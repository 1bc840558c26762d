"""Which answers read alike."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlq.problems.fingerprint import LONGEST, example, fingerprint

ALIKE = [
    ["DATA: 554 5.7.1 Spam detected (URI_TRACK_1)", "DATA: 554 5.7.1 Spam detected (URI_TRACK_3)"],
    [
        "RCPT: 550 5.1.1 <anna@example.com>: Recipient rejected, see https://mx.example.net/help?id=4f2a",
        "RCPT: 550 5.1.1 <…>: Recipient rejected, see https://other.example.net/",
        "RCPT: 550-5.1.1 <b.c@example.org>:  Recipient  rejected, see http://mx.example.net/1 a640c23a62f3a.12",
    ],
    ["400 21211 The 'To' number +4915112345678 is not valid.", "400 21211 The 'To' number … is not valid."],
    ['422 {"ErrorCode":300,"Message":"Bad To: joan@x.org"}', '422 {"ErrorCode":300,"Message":"Bad To: ann@y.org"}'],
    ["host mx1.example.com[192.0.2.1] was busy", "host gmail-smtp-in.l.google.com[198.51.100.7] was busy"],
    ["JSON is malformed at byte 17", "JSON is malformed at byte 1,288"],
    ["Message ５５５ refused", "Message 777 refused"],
]
APART = [
    ("552 5.2.2 no", "550 5.1.1 no"),
    ("400 21211 no", "400 21610 no"),
    ('422 {"ErrorCode":300,"Message":"no"}', '422 {"ErrorCode":406,"Message":"no"}'),
    ("550 no such user", "550 mailbox full"),
    ("No connection: Connection refused.", "No connection: Network is unreachable."),
]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORD = st.text(LETTERS, min_size=1, max_size=12)
HEX = st.text("0123456789abcdef", min_size=6, max_size=30)
ID = st.one_of(
    st.uuids().map(str),
    st.integers(1_000, 10**9).map(str),  # three digits may be a code
    HEX.map(lambda text: f"7{text}"),
    st.builds("{}@{}.org".format, WORD, WORD),
    st.builds("https://{}.org/{}?x={}".format, WORD, HEX, WORD),
    st.text(f"{LETTERS} .,", max_size=40).map(lambda text: f'"{text}"'),
)


@pytest.mark.parametrize("answers", ALIKE)
def test_answers_that_mean_the_same_have_one_fingerprint(answers: list[str]) -> None:
    assert len({fingerprint(answer) for answer in answers}) == 1


@pytest.mark.parametrize("answers", APART)
def test_answers_that_differ_in_code_or_words_have_two(answers: tuple[str, str]) -> None:
    assert fingerprint(answers[0]) != fingerprint(answers[1])


def test_the_fingerprint_says_code_and_words() -> None:
    assert fingerprint("DATA: 554 5.7.1 Spam detected (URI_TRACK_1)") == "554 5.7.1 data spam detected uri_track"
    assert fingerprint("") == ""


@given(st.lists(WORD, min_size=1, max_size=6), ID, st.integers(0, 6))
def test_an_id_an_address_or_a_quote_between_the_words_changes_nothing(words: list[str], id: str, at: int) -> None:
    assert fingerprint(" ".join([*words[:at], id, *words[at:]])) == fingerprint(" ".join(words))


@given(st.text(max_size=3_000))
def test_any_text_has_a_short_fingerprint_without_what_a_database_refuses(answer: str) -> None:
    found = fingerprint(answer)
    assert len(found) <= LONGEST
    assert "\x00" not in found
    assert "@" not in found
    assert "://" not in found
    found.encode()
    assert fingerprint(answer) == found


@given(st.text(f"{LETTERS} ", max_size=40), st.text("0123456789abc-_./ ", max_size=200))
def test_no_digits_are_left_but_those_of_the_code(words: str, noise: str) -> None:
    assert not re.search(r"\d", fingerprint(f"so {words} {noise}"))


@pytest.mark.parametrize("piece", ["'", '"', "<", "a.", "a@", "1", "_", "\u202e", '{"code":', "ﷺ", "a-1."])
def test_hostile_texts_are_bounded(piece: str) -> None:
    assert len(fingerprint(piece * 1_000_000)) <= LONGEST
    assert len(example(piece * 1_000_000)) <= 1_000


def test_an_example_shows_codes_but_no_address_and_no_number() -> None:
    shown = example("RCPT: 552 5.2.2 <anna@example.com> or +49 151 1234-5678: mailbox full")
    assert shown == "RCPT: 552 5.2.2 <…> or …: mailbox full"
    assert example("400 21211 wrong") == "400 21211 wrong"
