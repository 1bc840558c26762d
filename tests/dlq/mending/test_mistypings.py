"""Domains that people mistype, and what one correction makes of a receiver."""

from __future__ import annotations

import pytest

from dlq.mending.corrections import Correction, Kind, Wrong, correction, refusal
from dlq.mending.frequent import Mistyped, mistyped_domains
from dlq.mending.mistypings import meant_domain, suggestion
from dlq.selection import Selection
from tests.dlq.mending.mended import mistyped


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gamil.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmial.con", "gmail.com"),
        ("gmaik.com", "gmail.com"),  # one slip
        ("ggmail.com", "gmail.com"),
        ("gmail.co", "gmail.com"),
        ("hotmial.fr", "hotmail.fr"),
        ("yaho.co.uk", "yahoo.co.uk"),
        ("outlok.com", "outlook.com"),
        ("icluod.com", "icloud.com"),
        ("acme.con", "acme.com"),
        ("acme.con.au", ""),
        ("gmx.se", ""),  # one slip from gmx.de, which is too short to say
        ("gmail.com", ""),
        ("mail.com", ""),
        ("ymail.com", ""),
        ("example.org", ""),
        ("com", ""),
        ("con", ""),
        ("", ""),
    ],
)
def test_the_domain_that_was_meant(typed: str, meant: str) -> None:
    assert meant_domain(typed) == meant


def test_a_suggestion_keeps_what_stands_before_the_domain() -> None:
    assert suggestion("EMAIL", "Anna.Berg+x@GMIAL.com") == "Anna.Berg+x@gmail.com"
    assert suggestion("EMAIL", "anna@gmail.com") == suggestion("SMS", "+4915112345678") == ""


@pytest.mark.parametrize(
    ("typed", "channel", "receiver", "corrected"),
    [
        (("domain", " @GMIAL.com", "Gmail.com."), "EMAIL", "Anna@Gmial.Com", "Anna@gmail.com"),
        (("domain", "gmial.com", "gmail.com"), "EMAIL", "anna@mail.gmial.com", None),
        (("domain", "gmial.com", "gmail.com"), "EMAIL", "gmial.com@example.org", None),
        (("domain", "bücher.de", "example.de"), "EMAIL", "anna@xn--bcher-kva.de", "anna@example.de"),
        (("domain", "xn--bcher-kva.de", "example.de"), "EMAIL", "anna@Bücher.de", "anna@example.de"),
        (("domain", "gmial.com", "gmail.com"), "SLACK", "anna@gmial.com", None),
        (("replace", "berg", "burg"), "EMAIL", "anna.berg@berg.de", "anna.burg@burg.de"),
        (("replace", "Berg", "burg"), "EMAIL", "anna.berg@example.org", None),
        (("replace", "x", ""), "SLACK", "xC012", "C012"),
        (("prefix", "+490", "+49"), "SMS", "+4901511234567", "+491511234567"),
        (("prefix", "+44", "+49"), "SMS", "+441511234567", "+491511234567"),
        (("prefix", "+", "+49"), "SMS", "+1511234567", "+491511234567"),
        (("prefix", "+", "+49"), "SMS", "+491511234567", None),
        (("prefix", "+44", "+49"), "SMS", "+49441511234567", None),
        (("prefix", "+44", "+49"), "EMAIL", "+44@example.org", None),
        (("replace", "x", "y"), "EMAIL", "", None),
    ],
)
def test_what_becomes_of_a_receiver(
    typed: tuple[str, str, str], channel: str, receiver: str, corrected: str | None
) -> None:
    kind, old, new = typed
    assert correction(Kind(kind), old, new).apply(channel, receiver) == corrected


@pytest.mark.parametrize(
    ("kind", "old", "new", "field"),
    [
        ("domain", "gmial.com", "gmial.com", "new"),
        ("domain", "", "gmail.com", "old"),
        ("domain", "gmial.com", "", "new"),
        ("domain", "gmial.com", "gmail", "new"),
        ("domain", "gmial.com", "a b.com", "new"),
        ("domain", "g" * 300, "gmail.com", "old"),
        ("replace", "", "x", "old"),
        ("replace", ".co", ".com", "new"),
        ("prefix", "49", "+49", "old"),
        ("prefix", "+49", "0", "new"),
        ("prefix", "+49", "", "new"),
    ],
)
def test_what_makes_no_sense_is_refused(kind: str, old: str, new: str, field: str) -> None:
    with pytest.raises(Wrong) as wrong:
        correction(Kind(kind), old, new)
    assert wrong.value.field == field


def test_the_intake_says_why_it_would_refuse_a_receiver() -> None:
    assert refusal("EMAIL", "anna@gmail.com") == ""
    assert "plain e-mail address" in refusal("EMAIL", "anna@gmail")
    assert "E.164" in refusal("SMS", "+49")


def test_a_text_out_of_receivers_is_shown_only_whole() -> None:
    replaced = Correction(Kind.REPLACE, "anna@gmial.com", "anna@gmail.com")
    assert "anna" not in replaced.in_words(whole=False)
    assert "anna@gmial.com → anna@gmail.com" in replaced.in_words(whole=True)
    assert Correction(Kind.DOMAIN, "gmial.com", "gmail.com").in_words(whole=False).endswith("gmial.com → gmail.com")


@pytest.mark.django_db
def test_the_mistyped_domains_among_some_letters() -> None:
    for receiver in ("a@gmial.com", "b@hotmial.com", "c@gmial.com", "d@example.org"):
        mistyped(receiver)
    mistyped("e@gmial.com", state="resolved")
    assert mistyped_domains(Selection()) == [
        Mistyped("gmial.com", "gmail.com", 2),
        Mistyped("hotmial.com", "hotmail.com", 1),
    ]
    assert mistyped_domains(Selection(domain="example.org")) == []
