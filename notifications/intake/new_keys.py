"""New idempotency keys: those of requests that come at the same time are inserted in one statement and one commit.

The request that finds nobody inserting does so at once, on its own connection. The keys that come meanwhile gather, and
when it is done the first of them inserts for all of them. So no request waits for others to come, there is no thread
that could die, and a commit, which is most of the cost, is shared by those who would have waited for each other anyway.

Only "this key is new, and committed with this id" is decided here. Everything else is decided by
`idempotency.claim_keys`, by each request for itself: a key that is known, or was inserted by another request of the
same group, and every failure. For a group that failed may have been committed nevertheless, and one key that cannot be
inserted must fail nobody else. `claim_keys` finds a key that a group did insert with the id of its own request.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from uuid import UUID

import msgspec
from django.db import DatabaseError, InterfaceError, connection

from project.database.dialects import Dialect, Statement, as_json, as_uuid

LOCK_SECONDS = 0.2  # that a group waits for a transaction that has one of its keys; a batch may take that long
PATIENCE = 1.0  # seconds that a request waits for others to insert its key


class NewKey(msgspec.Struct, frozen=True, gc=False):
    """A row to insert."""

    client: str
    key: str
    notification_id: UUID
    body_hash: str


@Statement
def insert_keys(db: Dialect) -> str:
    """Inserts the keys that are not there. Returns the ids of their notifications."""
    rows = db.rows({"client": "text", "key": "text", "notification_id": "uuid", "body_hash": "text"})
    return f"""
        WITH patience AS MATERIALIZED (SELECT {db.lock_timeout(LOCK_SECONDS)})
        INSERT INTO notifications_idempotencykey (client, key, notification_id, body_hash, created_at)
        SELECT r.client, r.key, r.notification_id, r.body_hash, {db.now} FROM {rows}, patience WHERE true
        ON CONFLICT (client, key) DO NOTHING RETURNING notification_id"""


def insert_now(keys: Sequence[NewKey]) -> frozenset[UUID]:
    """Inserts the keys in a transaction of their own. Returns the ids of those that were new.

    Django's own cursors look first whether the connection is usable, which is one more trip to the database. An INSERT
    finds that out as well, so it goes past them. After a failure it is looked at, for those who use it next.
    """
    # Sorted, so that two groups with the same keys wait for each other and do not deadlock.
    rows = sorted(keys, key=lambda row: (row.client, row.key))
    try:
        connection.ensure_connection()
        with connection.wrap_database_errors, closing(connection.create_cursor()) as cursor:
            cursor.execute(insert_keys.text(), {"rows": as_json(rows)})
            return frozenset(as_uuid(id) for (id,) in cursor.fetchall())
    except (DatabaseError, InterfaceError):
        connection.close_if_unusable_or_obsolete()
        raise


class _Waiting:
    """A request and its key. `woken` is released when its key was inserted or it is to insert for all."""

    __slots__ = ("is_new", "key", "leads", "woken")

    def __init__(self, key: NewKey, *, leads: bool) -> None:
        self.key = key
        self.leads = leads
        self.is_new = False
        self.woken = threading.Lock()
        self.woken.acquire()


class Groups:
    """The requests of this process that have a new key to insert."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gathered: list[_Waiting] = []
        self._since: float | None = None  # when the request that inserts now began to; None where nobody does

    def insert(self, key: NewKey) -> bool:
        """Returns True where the key is new and committed; False where `claim_keys` must decide what it is."""
        if (mine := self._join(key)) is None:
            return False
        if not mine.leads and not mine.woken.acquire(timeout=PATIENCE):
            self._leave(mine)
        if mine.leads:
            self._insert_gathered()
        return mine.is_new

    def _join(self, key: NewKey) -> _Waiting | None:
        """Returns None where nobody should wait, since the request that inserts now takes too long."""
        with self._lock:
            if self._since is not None and time.monotonic() - self._since > PATIENCE:
                return None
            mine = _Waiting(key, leads=self._since is None)
            self._gathered.append(mine)
            self._since = self._since or time.monotonic()
        return mine

    def _leave(self, mine: _Waiting) -> None:
        """Gives up waiting, unless it was this one's turn to insert just now."""
        with self._lock:
            if not mine.leads and mine in self._gathered:
                self._gathered.remove(mine)

    def _insert_gathered(self) -> None:
        """Inserts what has gathered. Lets the next one do the same, whatever happens, and then wakes its group."""
        with self._lock:
            group, self._gathered = self._gathered, []
        new: frozenset[UUID] = frozenset()
        try:
            new = insert_now([each.key for each in group])
        except (DatabaseError, InterfaceError, ValueError):
            pass  # `claim_keys` meets it again, for each request alone, and says what it is
        finally:
            self._let_the_next_insert()
            for each in group:
                each.is_new = each.key.notification_id in new
                if not each.leads:
                    each.woken.release()

    def _let_the_next_insert(self) -> None:
        with self._lock:
            self._since = time.monotonic() if self._gathered else None
            if self._gathered:
                self._gathered[0].leads = True
                self._gathered[0].woken.release()


def open_groups() -> Groups:
    """Returns this process's. A forked child has its own: no thread of its parent would ever wake it."""
    return _groups_of(os.getpid())


@cache
def _groups_of(_pid: int) -> Groups:
    return Groups()
