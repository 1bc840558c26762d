"""Changes the receivers of notifications whose letters are open, so that the old ones still find the letters."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from dlq.models import DeadLetter
from dlq.problems.assigning import LONGEST_DOMAIN
from notifications.channels import domain_of
from notifications.ledger.sql import WITHIN, words
from notifications.messages.ids import receiver_hash, span
from notifications.messages.words import Is
from project.database.dialects import Dialect, Statement, as_json
from project.desk.audit import expect

_COLUMNS = {
    "letter": "bigint",
    "id": "uuid",
    "generation": "integer",
    **dict.fromkeys(("receiver", "receiver_hash", "domain", "was_hash"), "text"),
}


class Readdressed(msgspec.Struct, frozen=True):
    """A letter and its notification, locked by the caller, with what they get."""

    letter: int
    id: UUID
    generation: int
    receiver: str
    receiver_hash: str
    domain: str
    was_hash: str


def readdressed(
    letter: int, notification_id: UUID, generation: int, channel: str, receiver: str, *, was_hash: str
) -> Readdressed:
    """Returns the change of one letter to another receiver. `was_hash` is the hash that the ledger has now."""
    hashed, domain = receiver_hash(channel, receiver), domain_of(channel, receiver)[:LONGEST_DOMAIN]
    return Readdressed(letter, notification_id, generation, receiver, hashed, domain, was_hash)


def readdress(changes: Sequence[Readdressed], *, mending: int | None = None) -> None:
    """Changes receivers, with two statements, inside the transaction in which the caller locked these rows.

    A letter keeps the hash of its first receiver, so that whoever knows that one finds it. `mending` is the correction
    that these letters belong to from now on. Raises OutOfStep where a row is not as it was locked.
    """
    if not changes:
        return
    rows = as_json(changes)
    expect(len(changes), len(readdress_notifications(rows=rows, **span(each.id for each in changes))))
    expect(len(changes), len(readdress_letters(rows=rows, mending=mending)))


@Statement
def readdress_notifications(d: Dialect) -> str:
    return f"""
        UPDATE notifications_notification AS n SET receiver = r.receiver, receiver_hash = r.receiver_hash
        FROM {d.rows(_COLUMNS)}
        WHERE n.id = r.id AND n.generation = r.generation AND {WITHIN} AND n.status IN ({words(Is.REPLAYABLE)})
        {d.returning("id")}"""


@Statement
def readdress_letters(d: Dialect) -> str:
    return f"""
        UPDATE dlq_deadletter AS n SET receiver_hash = r.receiver_hash, receiver_domain = r.domain,
            was_receiver_hash = CASE WHEN n.was_receiver_hash = '' THEN r.was_hash ELSE n.was_receiver_hash END,
            mending_id = coalesce(%(mending)s, n.mending_id), changed_at = {d.now}
        FROM {d.rows(_COLUMNS)}
        WHERE n.id = r.letter AND n.state = '{DeadLetter.State.OPEN}'
        {d.returning("id")}"""
