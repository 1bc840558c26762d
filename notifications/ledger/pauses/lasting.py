"""For how long something is paused, as people say it: 30m, 1h, 2d."""

from __future__ import annotations

import re
from datetime import timedelta

LONGEST = timedelta(days=365)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def read_lasting(text: str) -> timedelta:
    """Returns the time that a text such as "90m" says. Raises ValueError, with a sentence."""
    found = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if not found:
        raise ValueError("must be a number of seconds, minutes, hours or days, such as 90s, 30m, 1h or 2d.")
    lasting = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if lasting > LONGEST:
        raise ValueError("must be a year at most; without it the pause lasts until somebody ends it.")
    return lasting
