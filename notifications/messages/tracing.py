"""The trace of a notification: a W3C traceparent, made where the caller sent none."""

from __future__ import annotations

import random
import re

TRACEPARENT = re.compile(r"\A00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")


def trace(traceparent: str = "", *, trace_id: str = "") -> str:
    """`traceparent` where it is a W3C one; else one that continues `trace_id`, or that of a new trace."""
    if traceparent and TRACEPARENT.match(traceparent):
        return traceparent
    # Not secrets, so the quick generator will do: urandom would be a call to the system for each.
    return f"00-{trace_id or f'{random.getrandbits(128):032x}'}-{random.getrandbits(64):016x}-00"


def trace_id_of(traceparent: str) -> str:
    """The 32 hex digits of a W3C traceparent, or "" where it is not one."""
    found = TRACEPARENT.match(traceparent)
    return found.group(1) if found else ""
