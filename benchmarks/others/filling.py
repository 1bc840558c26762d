"""What every other system is given to do: the same texts and receivers as ours."""

from __future__ import annotations

import os
import sys

from benchmarks.traffic import receiver_of, text_of


def given() -> tuple[str, list[dict[str, str]]]:
    """Returns the task and the messages that the command line asks for: `noop 10000`."""
    name, count = sys.argv[1], int(sys.argv[2])
    url = os.environ.get("BENCH_URL", "")
    numbers = range(count)
    return name, [
        {"id": str(number), "receiver": receiver_of("SLACK", number, url), "message": text_of(number)}
        for number in numbers
    ]
