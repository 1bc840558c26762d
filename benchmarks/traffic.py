"""What all sides are given to send: the same receivers and texts for us, the loops and Celery."""

from __future__ import annotations

import random

PADDING = "your parcel is on its way and arrives tomorrow before noon."


def receiver_of(channel: str, number: int, url: str = "") -> str:
    """The number-th receiver; `url` is where Slack's webhooks are."""
    if channel == "EMAIL":
        return f"u{number}@example.com"
    if channel == "SMS":
        return f"+1{2_000_000_000 + number}"
    return f"{url}/services/T{number:06d}/B000001/secret"


def text_of(number: int, word: str = "plain") -> str:
    """The number-th text; `word` tells the provider how to answer (benchmarks/sinks.py)."""
    return f"Hello n{number} {word}, {PADDING}"


def kinds(count: int, *, slow: float = 0.0, hot: float = 0.0) -> list[str]:
    """For each number plain, slow or hot (for the one receiver that gets more), in these shares, always alike."""
    slows, hots = int(count * slow), int(count * hot)
    found = ["slow"] * slows + ["hot"] * hots + ["plain"] * (count - slows - hots)
    random.Random(7).shuffle(found)
    return found
