"""Counts the database connections that this process has open, and those it has opened."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakSet

from django.db.backends.base.base import BaseDatabaseWrapper

from project import metrics

_wrappers: WeakSet[BaseDatabaseWrapper] = WeakSet()
_lock = threading.Lock()  # a set must not grow while somebody walks over it


def note(connection: BaseDatabaseWrapper, **_: Any) -> None:
    """Receives Django's signal `connection_created`."""
    metrics.database_connects.inc()
    with _lock:
        _wrappers.add(connection)


def count() -> int:
    """Returns how many are open."""
    with _lock:
        return sum(1 for wrapper in _wrappers if wrapper.connection is not None)
