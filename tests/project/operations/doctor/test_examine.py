"""Checks one after the other: what one of them does keeps no other from being made."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from django.db import OperationalError

from project.operations.doctor.examine import Check, Finding, LeftOut, examine


def test_each_check_is_made_whatever_the_others_do() -> None:
    def hangs() -> Iterator[str]:
        threading.Event().wait()
        yield "never"

    def leaves_out() -> Iterator[str]:
        raise LeftOut("There is none.")

    def fails(error: Exception) -> list[str]:
        raise error

    checks = [
        Check("hanging", hangs),
        Check("needs it", lambda: ["never"], needs="hanging"),
        Check("needs that", lambda: ["never"], needs="needs it"),
        Check("left out", leaves_out),
        Check("needs what is left out", list, needs="left out"),
        Check("two", lambda: ["One.", "Two."]),
        Check("database", lambda: fails(OperationalError("password=secret: disk is full"))),
        Check("bug", lambda: fails(KeyError("secret"))),
        Check("fine", list),
    ]
    lines = [line for finding in examine(checks, patience=0.2) for line in finding.lines()]
    assert lines == [
        "hanging: This was not answered within 0.2 seconds.",
        "needs it: left out. Mend this first: hanging.",
        "needs that: left out. Mend this first: needs it.",
        "left out: left out. There is none.",
        "needs what is left out: ok",
        "two: One.",
        "two: Two.",
        "database: Its disk is full.",
        "bug: The check itself failed (KeyError). Please report it with the version.",
        "fine: ok",
    ]
    assert Finding("fine").problems == []
