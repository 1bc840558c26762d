"""docs/logs.md names the lines that there are, with their fields, and nothing else."""

from __future__ import annotations

import re

from harness.services.process import ROOT
from project.logs import events
from project.logs.events import Event

PAGE = (ROOT / "docs" / "logs.md").read_text().partition("\n## What the lines cost\n")[0]
ROW = re.compile(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", re.MULTILINE)


def test_every_event_is_in_the_table_with_its_fields() -> None:
    declared = {
        events.in_words(name): set(kind.__struct_fields__) - {"at", "level"}
        for name, kind in vars(events).items()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event and not name.startswith("_")
    }
    assert {name: set(re.findall(r"`(\w+)`", fields)) for name, fields in ROW.findall(PAGE)} == declared
