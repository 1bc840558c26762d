"""The categories that callers may name, as a web process knows them without asking the database for each request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping

from django.db import Error as DatabaseProblem

from notifications.intake.refused import Refused
from notifications.messages.draft import Draft
from notifications.messages.explain import Errors
from notifications.models import Category
from project.database import refusals

log = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
RETRY_SECONDS = 5.0  # after a failed read
MOST_NAMED = 50
DEFAULT = frozenset({"default"})  # of a request that names none


class KnownCategories:
    """Of one process. While the database does not answer, no name is called unknown: the intake needs Kafka alone."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.names = DEFAULT
        self._read_at = self._failed_at = float("-inf")  # when the read began
        self._lock = threading.Lock()

    def unknown(self, names: Collection[str]) -> frozenset[str]:
        """Returns those of these names that no category has.

        A name is looked for once more before it is called unknown: its category may have been made just now.
        """
        if DEFAULT.issuperset(names):
            return frozenset()
        wanted, asked_at = DEFAULT.union(names), self._clock()
        self._have_read(since=asked_at - FRESH_SECONDS, wait=False)
        if wanted <= self.names:
            return frozenset()
        self._have_read(since=asked_at, wait=True)
        return wanted - self.names if self._read_at >= asked_at else frozenset()

    def forget(self) -> None:
        """Reads them again before the next answer."""
        self.names, self._read_at, self._failed_at = DEFAULT, float("-inf"), float("-inf")

    def _have_read(self, *, since: float, wait: bool) -> None:
        """Reads them unless somebody began to after `since`, or the database did not answer a moment ago."""
        if self._read_at >= since or self._is_down() or not self._lock.acquire(blocking=wait):
            return
        try:
            if self._read_at < since and not self._is_down():
                self._read()
        finally:
            self._lock.release()

    def _is_down(self) -> bool:
        return self._clock() - self._failed_at < RETRY_SECONDS

    def _read(self) -> None:
        began_at = self._clock()
        try:
            self.names = DEFAULT.union(Category.objects.values_list("name", flat=True))
            self._read_at = began_at
        except DatabaseProblem as error:
            self._failed_at = self._clock()
            log.warning("the categories cannot be read; until then no name is refused: %s", refusals.reason(error))


known = KnownCategories()


def require_known(drafts: Mapping[int, Draft], accepted_before: Collection[int]) -> None:
    """Raises Refused where drafts name categories that there are not. The first of them is answered with those.

    The category of what was accepted before may be gone since.
    """
    unknown = known.unknown({draft.category for draft in drafts.values()})
    wrong = (
        [p for p, draft in drafts.items() if draft.category in unknown and p not in accepted_before] if unknown else []
    )
    if wrong:
        refused: dict[int, Errors] = {position: {"category": ["There is no such category."]} for position in wrong}
        raise Refused(refused | {wrong[0]: {"category": [f"There is no such category. {_those_there_are()}"]}})


def _those_there_are() -> str:
    names = sorted(known.names)
    more = f", and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    return f"There are: {', '.join(names[:MOST_NAMED])}{more}."
