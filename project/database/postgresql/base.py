"""Django's PostgreSQL backend, which keeps a connection only as long as the server behind it takes writes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec
import psycopg2
from django.db.backends.postgresql import base
from psycopg2.extensions import new_type, register_type

UUID_OID = 2950  # of the type, in pg_type


def uuid_of(value: str | None, _cursor: Any) -> UUID | None:
    """Returns an id that PostgreSQL gave, in a fifth of the time that psycopg2's own conversion takes."""
    return None if value is None else msgspec.convert(value, UUID)


register_type(new_type((UUID_OID,), "UUID", uuid_of))


class DatabaseWrapper(base.DatabaseWrapper):
    """Django asks `is_usable` after every error and once in each web request, and drops what is not.

    After a failover the old primary may live on as a read-only server: it answers every SELECT, so that a
    connection to it would be kept for ever, and every write would fail. Connecting anew reaches the new primary.
    """

    def is_usable(self) -> bool:
        """Says whether the server answers and would take a write now. A standby never would."""
        if self.connection is None:
            return False
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SELECT current_setting('transaction_read_only')")
                return bool(cursor.fetchone() == ("off",))
        except psycopg2.Error:
            return False
