"""What a DATABASE_URL means: Django's settings of PostgreSQL or SQLite."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import environ

# A host that vanishes without a word is noticed in half a minute, not in the two hours of the system's default.
POSTGRESQL_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,  # milliseconds
}


def config_of(url: str) -> dict[str, Any]:
    """Returns Django's settings of the database. Raises ValueError for a URL of another one."""
    scheme = url.partition(":")[0]
    if scheme == "sqlite":  # django-environ would take a + in the path for a space
        return sqlite(unquote(urlsplit(url).path)[1:] or ":memory:")
    if scheme not in {"postgres", "postgresql", "psql", "pgsql"}:
        raise ValueError
    return _postgresql(environ.Env.db_url_config(url))


def sqlite(path: str) -> dict[str, Any]:
    options = {"timeout": 20, "transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"}
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": options, "CONN_MAX_AGE": None}


def _postgresql(config: dict[str, Any]) -> dict[str, Any]:
    """Of several hosts, connect to the one that takes writes; libpq tries them in order."""
    options = config.get("OPTIONS", {})
    several = "," in config["HOST"] + options.get("host", "")
    standard = POSTGRESQL_OPTIONS | ({"target_session_attrs": "read-write"} if several else {})
    return config | {
        "ENGINE": "project.database.postgresql",
        "OPTIONS": standard | options,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        # A pooler in transaction mode gives the next FETCH to another session, which knows no such cursor.
        "DISABLE_SERVER_SIDE_CURSORS": True,
    }
