"""API keys as a web process knows them: the whole small table in memory, read again every few seconds."""

from __future__ import annotations

import hmac
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from django.db import Error as DatabaseProblem
from django.db import transaction
from django.db.models import Q
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from users.access import limits
from users.access.limits import Ceilings, Limit
from users.access.models import SCOPES, ApiKey

log = logging.getLogger(__name__)

FRESH_SECONDS = 5.0  # what another process revoked or changed counts here after this, while the database answers
RETRY_SECONDS = 5.0  # after a failed read
NOTE_SECONDS = 60.0  # `last_used_at` is no more exact than this


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls: the client's name, and what its API key may do."""

    client: str
    scopes: frozenset[str]
    channels: frozenset[str] | None = None  # it may send on; None: on every one
    prefix: str = ""  # of its API key; none in the embedded default
    requests: Limit | None = None
    a_day: Ceilings | None = None
    is_authenticated: ClassVar[bool] = True  # what Django REST framework asks of a user

    @property
    def actor(self) -> str:
        """How the caller is named among the staff actions."""
        return f"API key {self.prefix}… ({self.client})" if self.prefix else self.client


LOCAL = Caller("local", frozenset(SCOPES))


@dataclass(frozen=True, slots=True)
class _Known:
    digest: str
    caller: Caller
    expires_at: float | None  # seconds since the epoch
    revoked: bool


class KeyRing:
    """Answers whose key this is without asking the database for each request.

    The table is read as a whole, every few seconds at the most, so a flood of wrong keys costs no query and no
    memory. Only for a key that this site did issue, and that is not known here yet, is it read at once. While the
    database is down, keys read before stay good until they expire.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._missing: set[str] = set()  # prefixes of issued keys that the table no longer has
        self._noted: dict[str, float] = {}
        self._read_at = self._failed_at = self._forgotten_at = float("-inf")
        self._lock = threading.Lock()

    def caller_of(self, key: str) -> Caller | None:
        """The caller with this key; None if it is wrong, revoked or expired.

        Raises Django's database error where the key is not known here and the database cannot be asked.
        """
        prefix = key[4:16]
        if not key.startswith("ntf_") or not key.isascii() or len(key) > 200:
            return None
        known = self._find(prefix, key)
        if known is None or known.revoked or not hmac.compare_digest(known.digest, ApiKey.digest_of(key)):
            return None
        if known.expires_at is not None and known.expires_at <= time.time():
            return None
        self._note_use(prefix)
        return known.caller

    def forget(self) -> None:
        """Read the table again before the next answer."""
        self._forgotten_at, self._failed_at = self._clock(), float("-inf")

    def _find(self, prefix: str, key: str) -> _Known | None:
        try:
            self._refresh(self._clock() - FRESH_SECONDS, prefix)
            if prefix not in self._known and prefix not in self._missing and ApiKey.was_issued(key):
                self._refresh(self._clock(), prefix)
                if prefix not in self._known:
                    self._missing.add(prefix)
        except DatabaseProblem:
            if prefix not in self._known:
                raise
        return self._known.get(prefix)

    def _refresh(self, since: float, prefix: str) -> None:
        """Have the table as it was after `since`, and after the last `forget`."""
        if self._is_read_after(since):
            return
        # Nobody queues behind the one who asks: not with a key that is known and was not forgotten, and nobody at
        # all while the database is known to be down.
        may_wait = (prefix not in self._known or self._read_at <= self._forgotten_at) and not self._is_down()
        if not self._lock.acquire(blocking=may_wait):
            raise DatabaseProblem("The database is being asked by another thread.")
        try:
            now = self._clock()
            if self._is_read_after(since):
                return
            if now - self._failed_at < RETRY_SECONDS:
                raise DatabaseProblem("The database did not answer a moment ago.")
            self._read(now)
        finally:
            self._lock.release()

    def _is_read_after(self, moment: float) -> bool:
        return self._read_at > max(moment, self._forgotten_at)

    def _read(self, now: float) -> None:
        try:
            rows = list(ApiKey.objects.all())
        except DatabaseProblem as error:
            self._failed_at = now
            log.warning("API keys cannot be read; those known stay good: %s", error)
            raise
        self._known = {row.prefix: _known(row) for row in rows}
        self._missing = set()
        self._noted = {prefix: at for prefix, at in self._noted.items() if prefix in self._known}
        self._read_at, self._failed_at = now, float("-inf")

    def _is_down(self) -> bool:
        return self._failed_at > self._read_at

    def _note_use(self, prefix: str) -> None:
        """Keep `last_used_at`, roughly and without ever failing a request."""
        now = self._clock()
        if now - self._noted.get(prefix, float("-inf")) < NOTE_SECONDS or self._is_down():
            return
        self._noted[prefix] = now
        moment = timezone.now()
        stale = Q(last_used_at=None) | Q(last_used_at__lt=moment - timedelta(seconds=NOTE_SECONDS))
        try:
            ApiKey.objects.filter(stale, prefix=prefix).update(last_used_at=moment)
        except DatabaseProblem as error:
            log.warning("The last use of API key %s was not noted: %s", prefix, error)


def _known(row: ApiKey) -> _Known:
    expires_at = row.expires_at.timestamp() if row.expires_at else None
    caller = Caller(
        row.client,
        frozenset(row.scopes),
        channels=frozenset(row.channels) or None,
        prefix=row.prefix,
        requests=limits.requests_of(row),
        a_day=limits.ceilings_of(row),
    )
    return _Known(row.digest, caller, expires_at, revoked=row.revoked_at is not None)


ring = KeyRing()


def _changed(**_: Any) -> None:
    """A key that this process made, changed or deleted counts at once; other processes learn of it as above."""
    ring.forget()
    transaction.on_commit(ring.forget)  # another thread may have read the table in between


post_save.connect(_changed, sender=ApiKey)
post_delete.connect(_changed, sender=ApiKey)
