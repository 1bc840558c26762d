"""Django's PostgreSQL backend, which keeps a connection only as long as the server behind it takes writes."""

from __future__ import annotations

import psycopg2
from django.db.backends.postgresql import base


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
