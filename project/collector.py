"""How often Python's garbage collector looks, in a process that has started up."""

from __future__ import annotations

import gc

# New objects before a look at the young ones, and such looks before one at the older and the oldest ones. Python's own
# are 700, 10 and 10. What the hot paths make is freed by its count of references, so that a look finds next to nothing.
THRESHOLDS = (50_000, 20, 50)


def look_seldom() -> None:
    """Lets the collector look seldom, and never again at what is there now: modules, models, settings.

    To be called once, when a process has loaded what it needs and before its work begins. With Python's own settings
    a batch of 500 notifications sets off dozens of looks, and many of them pass over some 100,000 objects of the start.
    Cycles are still found, only later: where there are many, 50,000 objects later.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
