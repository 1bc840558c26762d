"""The categories' policies, as a sender last read them."""

from __future__ import annotations

from notifications.models import Category


class Policies:
    """Of one process: one thread reads them from the database now and then, all others ask.

    What is asked is a set that is replaced as a whole, never changed, so that nobody needs a lock.
    """

    def __init__(self) -> None:
        self._hold: frozenset[str] = frozenset()

    def refresh(self) -> None:
        """Reads them again. Raises what the database raises."""
        self._hold = Category.held()

    def holds(self, category: str) -> bool:
        """Returns whether the category's policy is `hold`: what may have been sent is not sent again by itself."""
        return category in self._hold
