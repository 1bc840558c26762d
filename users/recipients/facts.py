"""What `decide` has to know of those who receive a batch, read with one statement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from django.conf import settings

from notifications.messages.ids import receiver_hashes
from notifications.messages.words import SuppressedFor
from project.database.dialects import Dialect, Statement, as_json, from_time
from users.recipients.decide import Person, Preferences

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
    hashes = {each: _hashes_of(each) for each in set(receivers)}
    usernames = {each.user for each in hashes if each.user}
    found = known_of(usernames=_keys(usernames), hashes=_keys({hash for some in hashes.values() for hash in some}))
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


def _hashes_of(receiver: Receiver) -> Sequence[str]:
    """Returns those under which an address may be suppressed: under today's key, and under former ones.

    The last of HASH_KEYS is that of 1.0, which knew no suppressions.
    """
    if len(settings.HASH_KEYS) <= 2:
        return (receiver.hash,)
    return tuple({receiver.hash, *receiver_hashes(receiver.channel, receiver.address)[:-1]})


def _keys(keys: Iterable[str]) -> str:
    return as_json([{"key": key} for key in keys])


@Statement
def known_of(d: Dialect) -> str:
    """What people chose, by their names; why addresses are suppressed, by their hashes; and the time."""
    key = {"key": "text"}
    return f"""
        SELECT 'person', p.username, '', p.document FROM users_personpreferences AS p
        JOIN {d.rows(key, "%(usernames)s")} ON r.key = p.username
        UNION ALL
        SELECT 'address', s.address_hash, s.scope, s.reason FROM users_suppression AS s
        JOIN {d.rows(key, "%(hashes)s")} ON r.key = s.address_hash
        WHERE s.until IS NULL OR s.until > {d.now}
        UNION ALL
        SELECT 'now', '', '', CAST({d.now} AS text)"""
