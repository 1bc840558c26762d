"""Says in one message which letters a verb left alone, and why: "40 left alone: 38 were already replayed by sam …"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.utils.html import format_html

from dlq.verbs import Skipped

MOST_REASONS = 4
MOST_NUMBERS = 100
PLURALS = {"was": "were", "is": "are", "does": "do", "has": "have"}


def summary(skipped: Sequence[Skipped], count: int) -> str:
    """Returns the sentence, or "" where none was left alone. `count` are all of them, of whom `skipped` are known."""
    if not count:
        return ""
    if count == 1 and skipped:
        return str(skipped[0])
    reasons = Counter(each.why for each in skipped).most_common()
    parts = [f"{number:,} {_of_many(why) if number > 1 else why}" for why, number in reasons[:MOST_REASONS]]
    if others := count - sum(number for _, number in reasons[:MOST_REASONS]):
        parts.append(f"{others:,} for other reasons, or because somebody was first")
    return f"{count:,} left alone: {', '.join(parts)}."


def message(skipped: Sequence[Skipped], count: int) -> str:
    """Returns the sentence with the letters' numbers folded below it, as HTML."""
    sentence = summary(skipped, count)
    if count < 2:
        return sentence
    lines = [str(each) for each in skipped[:MOST_NUMBERS]]
    more = f" … and {rest:,} more." if (rest := count - len(lines)) > 0 else ""
    return format_html(
        '{}<details class="desk-details"><summary>Which</summary>{}{}</details>', sentence, " ".join(lines), more
    )


def _of_many(why: str) -> str:
    verb, space, rest = why.partition(" ")
    return f"{PLURALS.get(verb, verb)}{space}{rest}"
