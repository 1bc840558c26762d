from __future__ import annotations

from dlq.story.explanations import EXPLANATIONS, UNKNOWN, explain
from notifications.channels.outcomes import Cause


def test_every_cause_is_explained() -> None:
    assert set(EXPLANATIONS) == set(Cause)
    assert all(each.why.endswith(".") and each.what_to_do.endswith(".") for each in EXPLANATIONS.values())


def test_an_unknown_cause_is_explained_too() -> None:
    assert explain("something-older") is UNKNOWN
