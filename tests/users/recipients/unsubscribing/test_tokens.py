"""The token of a link: it carries what it is about, and nobody else can make or change one."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from users.recipients.unsubscribing.tokens import SIZE, Link, read, token_of

ANN = Link("EMAIL", "news", "ann")
NOBODY = Link("EMAIL", "news", "", "0123456789abcdef0123456789abcdef")
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=100)


@given(names, names)
def test_what_goes_in_comes_out(category: str, user: str) -> None:
    for link in (Link("EMAIL", category, user), NOBODY._replace(category=category)):
        assert read(token_of(link)) == link


def test_it_is_short_and_fits_into_a_line_whatever_the_names() -> None:
    assert len(token_of(ANN)) < 50
    assert len(token_of(NOBODY)) < 75
    assert re.fullmatch("[A-Za-z0-9_-]+", token_of(ANN))
    longest = token_of(Link("EMAIL", "😀" * 100, "😀" * 150))
    assert len(longest) < 1_400
    assert read(longest)


def test_an_address_is_not_in_it() -> None:
    signed = urlsafe_b64decode(token_of(NOBODY) + "==")
    assert b"@" not in signed[SIZE:]  # the signature may be any bytes


@pytest.mark.parametrize("link", [ANN, NOBODY])
def test_a_changed_one_is_none(link: Link) -> None:
    token = token_of(link)
    signed = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for place in range(len(signed)):
        changed = signed.copy()
        changed[place] ^= 1
        assert read(urlsafe_b64encode(changed).decode().rstrip("=")) is None
    for cut in (token[:-4], token[4:], token + "AAAA", ""):
        assert read(cut) is None


@given(st.text(max_size=100))
def test_garbage_is_none(garbage: str) -> None:
    assert read(garbage) is None


def test_an_endless_one_is_none() -> None:
    assert read("A" * 100_000) is None


@pytest.mark.parametrize(
    ("token", "link"),
    [
        ("2tEf0zg6tvfrV9D0Ha3HmUVNQUlMAG5ld3MAcGFubg", ANN),
        ("Dqk5x42KWw3sSeFuHFREO0VNQUlMAG5ld3MAYQEjRWeJq83vASNFZ4mrze8", NOBODY),
    ],
)
def test_the_link_of_an_old_mail_is_read_in_every_later_version(settings: Settings, token: str, link: Link) -> None:
    """As it was sent once, not as it would be made today."""
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "today's key", ["the key of a site in 2026"]
    assert read(token) == link


def test_a_key_rotates(settings: Settings) -> None:
    before, token = settings.SECRET_KEY, token_of(ANN)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "a new key of the site", [before]
    assert read(token) == ANN
    assert token_of(ANN) != token
    assert read(token_of(ANN)) == ANN
    settings.SECRET_KEY_FALLBACKS = []
    assert read(token) is None
