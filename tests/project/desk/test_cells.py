"""What lists write in a cell: words for every code, ages, and texts of strangers."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import pytest

from dlq.models import DeadLetter
from notifications.channels.outcomes import Cause
from notifications.messages.words import Reason, Status, SuppressedFor
from project.desk.cells import cut, isolated
from project.desk.in_words import choices_in_words, in_words


@pytest.mark.parametrize(
    ("kind", "words"), [("cause", [*Cause]), ("reason", [*Reason, *SuppressedFor]), ("status", [*Status])]
)
def test_every_code_has_words_of_its_own(kind: str, words: Sequence[StrEnum]) -> None:
    texts = [in_words(kind, word.value) for word in words]
    assert len(set(texts)) == len(texts)
    assert all("-" not in text for text in texts)
    assert {word for word, _ in choices_in_words(kind)} == {word.value for word in words}


def test_every_state_of_a_letter_has_words() -> None:
    assert {word for word, _ in choices_in_words("state")} == set(DeadLetter.State.values)


def test_a_word_that_is_none_stays_as_it_is() -> None:
    assert in_words("cause", "of an older version") == "of an older version"


def test_a_strangers_text_is_escaped_and_isolated() -> None:
    assert isolated("<b>א") == '<bdi class="" dir="auto">&lt;b&gt;א</bdi>'
    assert cut("x" * 61, 60) == "x" * 60 + "…"
