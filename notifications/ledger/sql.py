"""Every statement of the ledger, by name, and what they share.

Rows go in as the JSON parameter `rows` and are `r` there; the ledger is `n`. What differs between PostgreSQL and
SQLite is in project/database/dialects.py. Times are the database's, so that a worker's wrong clock moves nothing.
Rows that several processes may want are picked with SKIP LOCKED, so that nobody waits.
"""

from __future__ import annotations

from collections.abc import Iterable

from notifications.ledger.columns import FINAL_COLUMNS, MESSAGE_COLUMNS, NEW_COLUMNS
from notifications.messages.words import Is, Status, listed, statuses

ID = {"id": "uuid"}
FENCE = {"id": "uuid", "generation": "integer", "claims": "integer"}
SENT = FENCE | {"provider": "text", "provider_message_id": "text"}
RESULT = {
    **SENT,
    **dict.fromkeys(("status", "reason", "deferral", "cause", "outcome", "attempt_cause", "error"), "text"),
    "due_in": "float8",
    **dict.fromkeys(("spent", "uncertain", "milliseconds"), "integer"),
}
TAKEN_COLUMNS = (*MESSAGE_COLUMNS, "reason", "claims", "trace_id")


def names(columns: Iterable[str], table: str = "") -> str:
    """Returns the columns, quoted, each of that table where one is named."""
    return ", ".join(f'{table}."{column}"' if table else f'"{column}"' for column in columns)


def words(trait: Is) -> str:
    """Returns the statuses of which `trait` is true, as the inside of an IN ()."""
    return ", ".join(f"'{status}'" for status in statuses(trait))


def stands(status: Status, *, leased: bool = False) -> str:
    """Returns the assignments by which a row comes to this status."""
    return f"status = '{status}', listed = {listing(status, leased=leased)}"


def listing(status: Status, *, leased: bool = False) -> str:
    """Returns the word by which indexes find a row of this status, as SQL."""
    word = listed(status, leased=leased)
    return "NULL" if word is None else f"'{word}'"


NEW = names(NEW_COLUMNS)
R_NEW = names(NEW_COLUMNS, "r")
# What a new row has besides; raw SQL does not know Django's defaults.
EMPTY = "reason, attempts, uncertain_count, provider, provider_message_id, last_cause, last_error"
EMPTY_VALUES = "'', 0, 0, '', '', '', ''"

# Beside a join on ids: PostgreSQL then plans without the other partitions. `ids.span` gives the parameters.
WITHIN = "n.id BETWEEN %(first)s AND %(last)s"
SAME_CLAIM = f"n.id = r.id AND n.generation = r.generation AND n.claims = r.claims AND {WITHIN}"
ENDED = "reason = '', due_at = NULL, deferred_since = NULL, owner = NULL, lease_until = NULL"
FINAL = names(FINAL_COLUMNS, "n")

# Of the rows in `first`, those before which there are fewer bytes of texts than the limit.
FITTING = """
    picked AS MATERIALIZED (
        SELECT id FROM (SELECT id, sum(bytes) OVER (ORDER BY place, id) - bytes AS before FROM first) AS n
        WHERE before < %(most_bytes)s
    )"""
