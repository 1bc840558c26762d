"""How many of something a person may get in a rolling window: places are taken at the claim and kept by what is sent.

A place is a row. It counts until its send is settled, and from then on for the window; what was certainly not sent
gives its place back. So in no window is more handed over than the cap says, whatever ends in the middle.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple
from uuid import UUID

from project.database.dialects import Dialect, Statement, as_json, as_uuid, from_time
from users.recipients.decide import Cap, Place

LONGEST_WINDOW = timedelta(days=366)
LONGEST_SEND = 3600.0  # seconds; a place whose send was never settled, for its sender died, counts no longer than that


class Key(NamedTuple):
    """Whose places, and of what: a category, or "" for everything."""

    person: str
    scope: str


class Taken(NamedTuple):
    """A place that a notification takes."""

    key: Key
    id: UUID


def places_of(wanted: Mapping[Key, Cap]) -> dict[Key, list[Place]]:
    """Returns the places that are taken, by their keys. Nobody else takes one of these until this transaction ends."""
    wait_for_turn(rows=_rows(wanted))
    return look_at_places(wanted)


def look_at_places(wanted: Mapping[Key, Cap]) -> dict[Key, list[Place]]:
    """Returns the same at this moment."""
    found: dict[Key, list[Place]] = {key: [] for key in wanted}
    for person, scope, id, at, is_open in taken_places(rows=_rows(wanted), longest=LONGEST_SEND):
        moment = from_time(at)
        if moment is not None:
            found[Key(person, scope)].append(Place(as_uuid(id), None if is_open else moment))
    return found


def _rows(wanted: Mapping[Key, Cap]) -> str:
    return as_json([{"person": key.person, "scope": key.scope, "seconds": cap.seconds} for key, cap in wanted.items()])


def take(places: Iterable[Taken]) -> None:
    """Takes places for rows that are about to be sent. A row that had one already has it anew."""
    rows = [{"person": key.person, "scope": key.scope, "id": id} for key, id in places]
    if rows:
        take_places(rows=as_json(rows))


def settle(sent: Collection[UUID], unsent: Collection[UUID]) -> None:
    """Has the places of what was sent, or may have been, count from now on, and gives those of the others back."""
    if sent:
        keep_places(rows=as_json([{"id": id} for id in sent]))
    if unsent:
        give_back(rows=as_json([{"id": id} for id in unsent]))


@Statement
def wait_for_turn(d: Dialect) -> str:
    """Nobody else decides about these people until the transaction ends; all wait in the same order."""
    return d.lock_in_order(
        f"SELECT r.person || ' ' || r.scope AS name FROM {d.rows({'person': 'text', 'scope': 'text'})}"
    )


@Statement
def taken_places(d: Dialect) -> str:
    columns = {"person": "text", "scope": "text", "seconds": "float8"}
    return f"""
        SELECT p.person, p.scope, p.notification_id, p.at, p.is_open FROM users_capplace AS p
        JOIN {d.rows(columns)} ON p.person = r.person AND p.scope = r.scope
        WHERE p.at > {d.later("-r.seconds")} OR (p.is_open AND p.at > {d.later("-(%(longest)s)")})"""


@Statement
def take_places(d: Dialect) -> str:
    return f"""
        INSERT INTO users_capplace (person, scope, notification_id, at, is_open)
        SELECT r.person, r.scope, r.id, {d.now}, true
        FROM {d.rows({"person": "text", "scope": "text", "id": "uuid"})} WHERE true
        ON CONFLICT (notification_id, scope) DO UPDATE SET at = excluded.at, is_open = true"""


@Statement
def keep_places(d: Dialect) -> str:
    return f"""
        UPDATE users_capplace SET at = {d.now}, is_open = false
        WHERE notification_id IN (SELECT r.id FROM {d.rows({"id": "uuid"})})"""


@Statement
def give_back(d: Dialect) -> str:
    return f"""
        DELETE FROM users_capplace
        WHERE notification_id IN (SELECT r.id FROM {d.rows({"id": "uuid"})})"""
