"""Which notifications end as suppressed, as a web process knows it without asking the database for each request."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping

from django.conf import settings
from django.db import Error as DatabaseProblem

from notifications.brokers.base import Outbound
from notifications.messages.message import Message
from notifications.messages.words import SuppressedFor
from project.database import refusals
from project.database.dialects import Dialect, Statement
from users.recipients.category_rules import read_rules
from users.recipients.decide import Asked, Rule, decide
from users.recipients.facts import Receiver, facts_of
from users.recipients.suppression import hashes_of

log = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
RETRY_SECONDS = 5.0  # after a failed read
ALL_SECONDS = 3600.0  # then all are read again, so that those that were lifted are forgotten
OVERLAP = 10.0  # seconds; a suppression may be committed later than its time says
MOST = 100_000  # addresses, those that were suppressed last: of others a reply does not say it
EVER = 1e9  # seconds
NONE: frozenset[str] = frozenset()


class SuppressedAddresses:
    """Of one process: hashes of addresses about which it is worth asking the database.

    So a suppression that was lifted, or is of another category, costs a query and no wrong reply. While the database
    does not answer, nothing is known: the intake needs Kafka alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._hashes = NONE  # replaced as a whole, never changed
        self._next_read = self._read_at = self._all_at = float("-inf")
        self._lock = threading.Lock()

    def reasons(self, records: Mapping[int, Outbound]) -> dict[int, SuppressedFor]:
        """Returns why notifications will be suppressed, by position: of those of which that is known now.

        They are those whose address is suppressed. Until the time of a `send_at` that may be lifted.
        """
        self._look()
        if not self._hashes:
            return {}
        now = {position: message for position, message in self._found(records) if not message.send_at}
        try:
            return _decided(now) if now else {}
        except DatabaseProblem as error:
            self._lose(error)
            return {}

    def forget(self) -> None:
        """Reads all of them again before the next answer."""
        self._hashes, self._next_read, self._all_at = NONE, float("-inf"), float("-inf")

    def _found(self, records: Mapping[int, Outbound]) -> Iterator[tuple[int, Message]]:
        """Yields the notifications to these addresses. A record's key is the hash under today's key alone."""
        hashes, has_former_keys = self._hashes, len(settings.HASH_KEYS) > 2
        for position, record in records.items():
            if (message := record.message) is None:
                continue
            former = hashes_of(message.channel, message.receiver) if has_former_keys else ()
            if record.key in hashes or not hashes.isdisjoint(former):
                yield position, message

    def _look(self) -> None:
        """Reads them once a second. Nobody waits for another's look at the database."""
        if self._clock() >= self._next_read and self._lock.acquire(blocking=False):
            try:
                self._read()
            except DatabaseProblem as error:
                self._lose(error)
            finally:
                self._lock.release()

    def _read(self) -> None:
        began_at = self._clock()
        read_all = began_at >= self._all_at or len(self._hashes) >= 2 * MOST
        since = EVER if read_all else began_at - self._read_at + OVERLAP
        found = {hash for (hash,) in suppressed_lately(since=since, limit=MOST)}
        if read_all:
            self._hashes, self._all_at = frozenset(found), began_at + ALL_SECONDS
        elif not found <= self._hashes:
            self._hashes |= found
        self._read_at, self._next_read = began_at, began_at + FRESH_SECONDS

    def _lose(self, error: DatabaseProblem) -> None:
        self.forget()
        self._next_read = self._clock() + RETRY_SECONDS
        log.warning("the suppressions cannot be read; until then no reply names one: %s", refusals.reason(error))


addresses = SuppressedAddresses()


def _decided(messages: Mapping[int, Message]) -> dict[int, SuppressedFor]:
    """Returns why they are suppressed, by position, as a sender would decide it now: with two queries."""
    rules = read_rules({message.category for message in messages.values()})
    receivers = {position: _receiver(message) for position, message in messages.items()}
    facts = facts_of(receivers.values())
    found: dict[int, SuppressedFor] = {}
    for position, message in messages.items():
        asked = Asked(
            rules[message.category], message.channel, receiver=message.receiver, expires_at=message.expires_at
        )
        decision = decide(asked, facts.people[receivers[position]], facts.now)
        if decision.rule is Rule.SUPPRESSED and decision.suppressed_for:
            found[position] = decision.suppressed_for
    return found


def _receiver(message: Message) -> Receiver:
    return Receiver(message.user, message.channel, message.receiver, message.receiver_hash)


@Statement
def suppressed_lately(d: Dialect) -> str:
    """The hashes of addresses that were suppressed in the last `since` seconds, and are, the latest first."""
    return f"""
        SELECT address_hash FROM users_suppression
        WHERE changed_at > {d.later("-(%(since)s)")} AND (until IS NULL OR until > {d.now})
        ORDER BY changed_at DESC LIMIT %(limit)s"""
