"""What a scheduler does about digests, each second. Any number of them share the work."""

from __future__ import annotations

import time

from notifications.ledger import sql_digests
from notifications.ledger.digests.closing import close_due
from notifications.ledger.digests.ending import end_members
from notifications.ledger.hooks import Hooks

LONGEST = 0.5  # seconds, after which the scheduler's other work has its turn


def look_at_digests(hooks: Hooks) -> bool:
    """Closes the digests whose time has come, and ends the members of those that went out.

    Returns whether there may be more. Takes one query where there is nothing. Raises what the database raises.
    """
    if not sql_digests.any_to_look_at():
        return False
    until = time.monotonic() + LONGEST
    more = True
    while more and time.monotonic() < until:
        more = any([close_due(hooks), end_members(hooks)])
    return more
