"""The trace of a notification: a W3C traceparent, made where the caller sent none."""

from __future__ import annotations

import random
import re

from project.traces import tracing

# Zeros alone are no trace and no span.
TRACEPARENT = re.compile(r"\A00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}\Z")
ONE_EACH = 1 << 64 | 1  # a bit of a trace's id and one of a span's


def trace(traceparent: str = "", *, trace_id: str = "") -> str:
    """`traceparent` where it is a W3C one; else one that continues `trace_id`, or that of a new trace.

    What the ledger keeps of a trace is its id, so a retry and a replay are traced wherever we trace at all, whether
    the first try was or not.
    """
    if traceparent and TRACEPARENT.match(traceparent):
        return traceparent
    # Not secrets, so the quick generator will do: urandom would be a call to the system for each.
    if trace_id:
        return f"00-{trace_id}-{random.getrandbits(64) | 1:016x}-{'01' if tracing.is_on() else '00'}"
    digits = f"{random.getrandbits(192) | ONE_EACH:048x}"
    return f"00-{digits[:32]}-{digits[32:]}-00"


def trace_id_of(traceparent: str) -> str:
    """The 32 hex digits of a W3C traceparent, or "" where it is not one."""
    found = TRACEPARENT.match(traceparent)
    return found.group(1) if found else ""
