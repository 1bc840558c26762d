"""What `decide` has to know of those who receive a batch, read with one statement."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec
from django.conf import settings

from notifications.messages.ids import receiver_hashes
from notifications.messages.words import SuppressedFor
from project.database.dialects import Dialect, Statement, as_json, from_time
from users.recipients.person import Person, Preferences

_preferences = msgspec.json.Decoder(Preferences).decode


class Receiver(NamedTuple):
    """Where a notification goes. `hash` is that of the ledger's row; without a `user` it is only an address."""

    user: str
    channel: str
    address: str
    hash: str


class Facts(NamedTuple):
    now: datetime  # the database's
    people: Mapping[Receiver, Person]


def facts_of(receivers: Iterable[Receiver]) -> Facts:
    """Returns what is known of these receivers, of whom most are not in the database at all."""
    hashes = _hashes_of(set(receivers))
    usernames = {each.user for each in hashes if each.user}
    all_hashes = {hash for some in hashes.values() for hash in some}
    found = known_of(usernames=as_json(list(usernames)), hashes=as_json(list(all_hashes)))
    now, preferences = None, dict[str, Preferences]()
    suppressions: dict[str, list[tuple[str, SuppressedFor]]] = {}
    for kind, key, scope, text in found:
        if kind == "person":
            preferences[key] = _preferences(text)
        elif kind == "address":
            suppressions.setdefault(key, []).append((scope, SuppressedFor(text)))
        else:
            now = from_time(text)
    if now is None:
        raise RuntimeError("the database does not say what time it is")
    people: dict[Receiver, Person] = {}
    for each, some in hashes.items():
        kept_from = [row for hash in some for row in suppressions.get(hash, ())]
        people[each] = Person(preferences.get(each.user, NO_CHOICE), kept_from)
    return Facts(now, people)


NO_CHOICE = Preferences()


def _hashes_of(receivers: Collection[Receiver]) -> dict[Receiver, Collection[str]]:
    """Returns those under which their addresses may be suppressed: under today's key, and under former ones.

    The last of HASH_KEYS is that of 1.0, which knew no suppressions.
    """
    if len(settings.HASH_KEYS) <= 2:
        return {each: (each.hash,) for each in receivers}
    return {each: {each.hash, *receiver_hashes(each.channel, each.address)[:-1]} for each in receivers}


@Statement
def known_of(d: Dialect) -> str:
    """What people chose, by their names; why addresses are suppressed, by their hashes; and the time."""
    return f"""
        SELECT 'person', p.username, '', p.document FROM users_personpreferences AS p
        WHERE {d.among("p.username", "%(usernames)s")}
        UNION ALL
        SELECT 'address', s.address_hash, s.scope, s.reason FROM users_suppression AS s
        WHERE {d.among("s.address_hash", "%(hashes)s")} AND (s.until IS NULL OR s.until > {d.now})
        UNION ALL
        SELECT 'now', '', '', CAST({d.now} AS text)"""
