"""How claimed rows come into a digest: inside the claim's transaction, a batch with three statements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from notifications.ledger import sql_digests
from notifications.ledger.rows import Claimed
from notifications.messages.ids import span
from project.database.dialects import as_json, as_uuid

# Seconds after a digest should have closed, when a member comes back by itself: it is decided anew, and nothing waits
# for ever for a digest that somebody has deleted.
PATIENCE = 3600.0


class Fold(NamedTuple):
    """A row that is to be folded, and the seconds after which its digest closes if it is the first.

    Each that joins puts this off, until as many seconds after the first as `limit_in` of that says; None: none does.
    """

    row: Claimed
    closes_in: float
    limit_in: float | None = None


class Key(NamedTuple):
    """Of one digest at a time: whoever receives it, of what category, and of which client."""

    receiver_hash: str
    username: str
    channel: str
    category: str
    client: str


def key_of(row: Claimed) -> Key:
    return Key(row.receiver_hash, row.user, row.channel, row.category, row.client)


def out_of_digests(rows: Iterable[Claimed]) -> Mapping[UUID, bool]:
    """Returns those of these rows that are not folded any more, and whether they go out by themselves.

    What goes out is a digest, or was the only one left in it. What does not is listed in a digest that is on its way.
    """
    ids = [row.id for row in rows]
    found = sql_digests.out_of_digests(rows=as_json([{"id": id} for id in ids]), **span(ids))
    return {as_uuid(id): bool(goes) for id, goes in found}


def join(folds: Sequence[Fold]) -> list[float]:
    """Folds the rows into the open digests of their keys. Returns for how many seconds each of them waits at most."""
    joined = Counter(key_of(fold.row) for fold in folds)
    first = {key_of(fold.row): fold for fold in reversed(folds)}
    asked = [
        {**key._asdict(), "joined": joined[key], "closes_in": first[key].closes_in, "limit_in": first[key].limit_in}
        for key in sorted(joined)
    ]
    found = {Key(*key): (id, seconds) for id, *key, seconds in sql_digests.join(rows=as_json(asked))}
    digests = [found[key_of(fold.row)] for fold in folds]
    members = [{"id": fold.row.id, "digest_id": id} for fold, (id, _) in zip(folds, digests, strict=True)]
    sql_digests.note_digests(rows=as_json(members), **span(fold.row.id for fold in folds))
    return [max(seconds, 0.0) + PATIENCE for _, seconds in digests]
