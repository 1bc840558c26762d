"""What a sender keeps in memory about those who receive, so that batches that need no decision take none."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from project.database.dialects import Dialect, Statement
from users.recipients.category_rules import CategoryRules, read_rules

OVERLAP = 10.0  # seconds; a change may be committed later than its time says
REMEMBERED = 60.0  # seconds; by then a batch that was claimed before a change has long been queued
MOST_CHANGES = 10_000  # read at once, for each of the two tables


class Known:
    """Of one process: one thread reads it from the database each second, all others ask.

    What is known is replaced as a whole, never changed, so that nobody needs a lock.
    """

    def __init__(self) -> None:
        self._rules: Mapping[str, CategoryRules] = {}
        self._keeping: frozenset[str] = frozenset()  # names of the categories that may keep something back
        self.anybody = False  # there are preferences or suppressions
        self.changed: Mapping[str, float] = {}  # when a person's or an address' change was seen (monotonic), by key
        self._seen: set[tuple[str, object]] = set()

    def refresh(self) -> None:
        """Reads it again, with two queries. Raises what the database raises."""
        rules = read_rules()
        self._keeping = frozenset(name for name, each in rules.items() if each.keeps_back)
        self._rules = rules
        found = set(changed_lately(overlap=OVERLAP, limit=MOST_CHANGES))
        self.anybody = bool(found)
        now = time.monotonic()  # what was decided before it may have missed a change
        still = {key: at for key, at in self.changed.items() if now - at < REMEMBERED}
        self.changed = still | {key: now for key, _ in found - self._seen if key}
        self._seen = found

    def rules(self, category: str) -> CategoryRules:
        """Returns the rules of a category; one that nobody has described keeps nothing back."""
        return self._rules.get(category) or CategoryRules(name=category)

    def may_keep_back(self, categories: Collection[str]) -> bool:
        """Returns whether a batch of these categories needs a decision."""
        return self.anybody or not self._keeping.isdisjoint(categories)

    def has_changed(self, user: str, address_hash: str, since: float) -> bool:
        """Returns whether somebody's wishes were seen to change after the monotonic time `since`."""
        changed = self.changed
        return bool(changed) and max(changed.get(user, since), changed.get(address_hash, since)) > since


@Statement
def changed_lately(d: Dialect) -> str:
    """Whose wishes have changed, a username or the hash of an address, and when. Gives a row where there is anybody."""
    people, addresses = "users_personpreferences", "users_suppression"
    lately = f"changed_at > {d.later('-(%(overlap)s)')} ORDER BY changed_at DESC LIMIT %(limit)s"
    return f"""
        SELECT * FROM (SELECT username, changed_at FROM {people} WHERE {lately}) AS p
        UNION ALL
        SELECT * FROM (SELECT address_hash, changed_at FROM {addresses} WHERE {lately}) AS a
        UNION ALL
        SELECT '', NULL WHERE EXISTS (SELECT 1 FROM {people}) OR EXISTS (SELECT 1 FROM {addresses})"""
