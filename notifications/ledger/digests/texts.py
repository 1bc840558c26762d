"""What a digest says: pure functions of what its members say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

MOST_LISTED = 50
LONGEST = 256  # characters of a member's message; with the subjects this is less than any channel's limit for one
CUT = "..."


def subject_of(count: int, category: str) -> str:
    return f"{count} notifications: {category}"


def message_of(members: Sequence[tuple[str, str]], count: int, *, too_long: Callable[[str], bool]) -> str:
    """Returns a line for each of the first `members`, pairs of subject and message, and how many more of `count` there
    are. Lists fewer where the channel does not take as much.
    """
    lines = [_line(subject, message) for subject, message in members[:MOST_LISTED]]
    while lines and too_long(text := _text(lines, count)):
        lines.pop()
    return text if lines else f"{count} notifications"


def _text(lines: Sequence[str], count: int) -> str:
    more = [f"and {count - len(lines)} more"] if count > len(lines) else []
    return "\n".join([*lines, *more])


def _line(subject: str, message: str) -> str:
    """Plain characters alone, so that a text message does not become twice as expensive by them."""
    plain = " ".join(message.split())
    short = plain if len(plain) <= LONGEST else plain[: LONGEST - len(CUT)] + CUT
    return f"- {subject}: {short}" if subject else f"- {short}"
