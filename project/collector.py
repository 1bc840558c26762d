"""How often Python's garbage collector looks, in a process that has started up."""

from __future__ import annotations

import gc

# New objects before a look at the young ones, and such looks before one at the older and the oldest ones. Python's own
# are 700, 10 and 10. What the hot paths make is freed by its count of references, so that a look finds next to nothing.
# No more than 10,000, for a cycle may keep a text of half a megabyte: 50,000 made neither web nor sender quicker.
THRESHOLDS = (10_000, 20, 50)


def look_seldom() -> None:
    """Lets the collector look seldom, and never again at what is there now: modules, models, settings.

    To be called once, when a process has loaded what it needs and before its work begins. With Python's own settings
    every few hundred notifications set off a look, and some of the looks pass over 100,000 objects of the start.
    Cycles are still found, only later. So what handles texts must leave none: tests/project/test_collector.py.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
