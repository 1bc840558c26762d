"""How many of something a person may get in a rolling window: a notification takes its places as it is claimed.

A place is a row. Whether it counts is in the ledger: while its notification is being sent, and once that was sent, or
may have been, for the window. So nothing is written when a send ends, and in no window is more handed over than the
cap says, whatever ends in the middle.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from notifications.channels.outcomes import Outcome
from notifications.messages.ids import span
from notifications.messages.words import Status
from project.database.dialects import Dialect, Statement, as_json, as_uuid, from_time
from users.recipients.category_rules import Cap
from users.recipients.person import Place

LONGEST_WINDOW = timedelta(days=366)
LONGEST_SEND = 3600.0  # seconds from a claim to its end


class Key(NamedTuple):
    """Whose places, and of what: a scope of `decide.caps_of`."""

    person: str
    scope: str


class Taken(NamedTuple):
    """A place that a notification takes."""

    key: Key
    id: UUID


def places_of(wanted: Mapping[Key, Cap]) -> dict[Key, list[Place]]:
    """Returns the places that are taken, by their keys. Nobody else takes one of these until this transaction ends."""
    wait_for_turn(persons=_persons(wanted))
    return look_at_places(wanted)


def look_at_places(wanted: Mapping[Key, Cap]) -> dict[Key, list[Place]]:
    """Returns the same at this moment."""
    found: dict[Key, list[Place]] = {key: [] for key in wanted}
    longest = max(cap.seconds for cap in wanted.values()) + LONGEST_SEND
    taken = [
        (key, as_uuid(id), from_time(at))
        for person, scope, id, at in taken_places(persons=_persons(wanted), longest=longest)
        if (key := Key(person, scope)) in found
    ]
    counted = _counted({id for _, id, _ in taken}) if taken else {}
    for key, id, claimed_at in taken:
        is_sending, since = counted.get(id, (False, claimed_at))  # the ledger may have it no longer
        if is_sending or since is not None:
            found[key].append(Place(id, None if is_sending else since))
    return found


def _counted(ids: Collection[UUID]) -> dict[UUID, tuple[bool, datetime | None]]:
    """Returns whether these notifications are being sent, and since when they count otherwise: None for not at all."""
    found = counted(rows=as_json([{"id": id} for id in ids]), **span(ids))
    return {as_uuid(id): (bool(is_sending), from_time(since)) for id, is_sending, since in found}


def _persons(wanted: Iterable[Key]) -> str:
    return as_json(list({key.person for key in wanted}))


def take(places: Iterable[Taken]) -> None:
    """Takes places for rows that are about to be sent. A row that had one already has it anew."""
    rows = [{"person": key.person, "scope": key.scope, "id": id} for key, id in places]
    if rows:
        take_places(rows=as_json(rows))


@Statement
def wait_for_turn(d: Dialect) -> str:
    """Nobody else decides about these people until the transaction ends; all wait in the same order."""
    return d.lock_in_order("%(persons)s")


@Statement
def taken_places(d: Dialect) -> str:
    """The places of these people whose claims are no older than that."""
    return f"""
        SELECT p.person, p.scope, p.notification_id, p.at FROM users_capplace AS p
        WHERE {d.among("p.person", "%(persons)s")} AND p.at > {d.later("-(%(longest)s)")}"""


@Statement
def counted(d: Dialect) -> str:
    """Whether these notifications are being sent, and when they were, or when it became unknown whether they were."""
    return f"""
        SELECT n.id, n.status = '{Status.SENDING}', CASE n.status WHEN '{Status.SENT}' THEN n.settled_at ELSE (
            SELECT max(a.at) FROM notifications_attempt AS a
            WHERE a.notification_id = n.id AND a.notification_id BETWEEN %(first)s AND %(last)s
            AND a.outcome = '{Outcome.UNCERTAIN}'
        ) END
        FROM notifications_notification AS n JOIN {d.rows({"id": "uuid"})} ON n.id = r.id
        WHERE n.id BETWEEN %(first)s AND %(last)s"""


@Statement
def take_places(d: Dialect) -> str:
    return f"""
        INSERT INTO users_capplace (person, scope, notification_id, at)
        SELECT r.person, r.scope, r.id, {d.now}
        FROM {d.rows({"person": "text", "scope": "text", "id": "uuid"})} WHERE true
        ON CONFLICT (notification_id, scope) DO UPDATE SET at = excluded.at"""
