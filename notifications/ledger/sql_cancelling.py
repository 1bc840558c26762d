"""How a client cancels a notification that nobody has begun to send, also while only Kafka has it."""

from __future__ import annotations

from notifications.ledger.columns import FINAL_COLUMNS, NEW_COLUMNS
from notifications.ledger.sql import EMPTY, EMPTY_VALUES, ENDED, ID, NEW, WITHIN, listing, stands, words
from notifications.messages.words import Is, Reason, Status
from project.database.dialects import Dialect, Statement

LOCK_SECONDS = 5.0  # that a caller waits for a claim of the row; one takes milliseconds
IS_STUB = f"n.status = '{Status.CANCELLED}' AND n.channel = ''"  # no record and no row of another kind lacks a channel
IS_LISTED = f"(n.reason = '{Reason.DIGEST}' AND n.due_at IS NULL)"  # in a digest that is on its way
# What a stub gets of its record: nothing that is about a person.
OF_RECORD = {
    **dict.fromkeys(("channel", "category", "priority", "topic", "trace_id"), "text"),
    "partition": "integer",
    "offset": "bigint",
}


@Statement
def wait_briefly(d: Dialect) -> str:
    return f"SELECT {d.lock_timeout(LOCK_SECONDS)}"


@Statement
def cancel(d: Dialect) -> str:
    """Ends the row, which the caller has locked, unless it is too late."""
    return f"""
        UPDATE notifications_notification AS n
        SET {stands(Status.CANCELLED)}, {ENDED}, settled_at = {d.now}
        WHERE n.id = %(id)s AND n.client = %(client)s AND n.status IN ({words(Is.MAY_BE_CANCELLED)})
        AND n.generation = 0 AND n.uncertain_count = 0 AND NOT {IS_LISTED}
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def insert_stub(d: Dialect) -> str:
    """A row with nothing but id, client and end. Waits for whoever is inserting that row, and then does nothing."""
    columns = {"id": "uuid", "client": "text", "accepted_at": "timestamptz"}
    known = {**{name: f"r.{name}" for name in columns}, "generation": "0"}
    values = [known.get(name, "''" if kind == "text" else "NULL") for name, kind in NEW_COLUMNS.items()]
    return f"""
        INSERT INTO notifications_notification AS n ({NEW}, status, listed, claims, settled_at, {EMPTY})
        SELECT {", ".join(values)}, '{Status.CANCELLED}', {listing(Status.CANCELLED)}, 0, {d.now}, {EMPTY_VALUES}
        FROM {d.rows(columns)} WHERE true
        ON CONFLICT (id) DO NOTHING
        {d.returning(*FINAL_COLUMNS)}"""


@Statement
def stubs(d: Dialect) -> str:
    """Those of these records that meet a stub, with the client who made it."""
    return f"""
        SELECT n.id, n.client FROM notifications_notification AS n
        JOIN {d.rows(ID)} ON n.id = r.id AND {WITHIN} WHERE {IS_STUB}"""


@Statement
def complete_stubs(d: Dialect) -> str:
    """Writes into stubs what their records say of where they belong."""
    given = ", ".join(f'"{name}" = r."{name}"' for name in OF_RECORD)
    return f"""
        UPDATE notifications_notification AS n SET {given}
        FROM {d.rows(ID | OF_RECORD)} WHERE n.id = r.id AND {WITHIN} AND {IS_STUB}
        {d.returning("id")}"""


@Statement
def remove_stubs(d: Dialect) -> str:
    return f"""
        DELETE FROM notifications_notification AS n
        WHERE n.id IN (SELECT r.id FROM {d.rows(ID)}) AND {WITHIN} AND {IS_STUB}
        {d.returning("id")}"""
