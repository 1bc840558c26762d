"""What betrays a person in a text, and what only looks like it."""

from __future__ import annotations

import pytest

from project.privacy.traces import FORGOTTEN, Traces

ADDRESSES = [
    ("EMAIL", "ann@example.com"),
    ("SMS", "+4915112345678"),
    ("SLACK", "https://hooks.slack.com/services/T/B/x"),
]


@pytest.fixture(scope="module")
def traces() -> Traces:
    """Of somebody whose username is a word of ours."""
    return Traces("timeout", ADDRESSES, ["a1" * 16], name="Ann Archer")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("call ANN@EXAMPLE.COM now", f"call {FORGOTTEN} now"),
        ("0151 1234-5678, or +49 (151) 12345678.", f"{FORGOTTEN}, or {FORGOTTEN}."),
        ("post to /services/T/B/x", "post to /services/T/B/x".replace("services/T/B/x", FORGOTTEN)),
        ("for ann archer", f"for {FORGOTTEN}"),
        ("joann@example.com, 15112345678901", "joann@example.com, 15112345678901"),
    ],
)
def test_in_a_sentence(traces: Traces, text: str, left: str) -> None:
    assert traces.cleaned(text, "reason") == left


def test_a_name_that_is_a_word_of_ours_stays_where_it_is_one(traces: Traces) -> None:
    kept = {"cause": "timeout", "user": "timeout", "term": "ann@example.com", "ids": [1, None]}
    assert traces.cleaned(kept) == {"cause": "timeout", "user": FORGOTTEN, "term": FORGOTTEN, "ids": [1, None]}
    assert traces.cleaned("timeout 17", "target") == "timeout 17"
    assert traces.cleaned("user timeout", "target") == FORGOTTEN
    assert traces.cleaned("a1" * 16, "before_hash") == ""


def test_in_a_record(traces: Traces) -> None:
    assert traces.are_in_record('{"user" : "timeout"}')
    assert traces.are_in_record('{"receiver": "https:\\/\\/hooks.slack.com\\/services\\/T\\/B\\/x"}')
    assert not traces.are_in_record('{"user": "bob", "message": "timeout"}')
