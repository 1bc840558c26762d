"""Rows that travel as lines arrive as they are, whatever is in their texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from project.database import dialects
from project.database.dialects import dialect, fetch, from_time

pytestmark = pytest.mark.django_db
COLUMNS = {"first": "text", "number": "bigint", "at": "timestamptz", "last": "text"}
NOON = datetime(2026, 11, 30, 12, 0, 0, 1000, tzinfo=UTC)
TOKEN = "0123456789abcdef"
# What ends lines, fields, statements and literals, and what other ways to write rows down escape.
SPECIAL = "\x1c\x1d\x1e\x1f\t\n\r\\'\",%{}[]" + "\u2028\U0001f600"
texts = st.one_of(
    st.text(st.characters(exclude_characters="\x00", codec="utf-8"), max_size=20),
    st.lists(st.sampled_from([*SPECIAL, "\\N", "\\.", "NULL", "%s", f"\x1e{TOKEN}", f"\x1f{TOKEN}"])).map("".join),
)
numbers = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))
moments = st.one_of(st.none(), st.integers(0, 10**15).map(lambda after: NOON + timedelta(microseconds=after)))
rows = st.lists(st.tuples(texts, numbers, moments, texts), max_size=5)


def arrived(given: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """What a statement reads of these rows; SQLite's JSON has no order of its own but keeps that of the list."""
    names = ", ".join(f'r."{name}"' for name in COLUMNS)
    found = fetch(f"SELECT {names} FROM {dialect().lines(COLUMNS)}", dialect().as_lines(given))
    return [(first, number, from_time(at), last) for first, number, at, last in found]


@given(rows)
@example([])
@example([("", None, None, "")])
@example([("", None, None, ""), ("", 0, NOON, "")])
@example([("a\x1fb", 1, NOON, "\x1e"), ("\x1e\x1e", 2, None, "c\x1f")])
@settings(max_examples=100)
def test_any_row_arrives_as_it_is(given: list[tuple[Any, ...]]) -> None:
    assert arrived(given) == given


def test_an_end_that_is_in_a_text_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter([TOKEN, TOKEN, "f" * 16])
    monkeypatch.setattr(dialects, "token_hex", lambda _: next(tokens))
    given = [(f"\x1e\x1f{TOKEN}", 1, NOON, f"\x1e{TOKEN}"), (f"\x1f{TOKEN}\x1e", None, None, "last")]
    assert arrived(given) == given
