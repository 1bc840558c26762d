"""Idempotency keys: one notification for each key of a client, however often it is submitted."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import msgspec

from notifications.intake.refused import Conflict
from notifications.messages.draft import Draft
from notifications.messages.explain import Unavailable
from notifications.models import IdempotencyKey, Notification


class Identified(msgspec.Struct, frozen=True, gc=False):
    """Drafts with their ids: `known` are the positions whose key was used before, `durable` those not to publish."""

    ids: list[UUID]
    known: frozenset[int] = frozenset()
    durable: frozenset[int] = frozenset()


def claim_keys(drafts: Sequence[Draft], keys: Sequence[str | None], ids: Sequence[UUID], owner: str) -> Identified:
    """Inserts the keys of these drafts, whose ids would be `ids`. Returns the ids that they have now.

    A draft whose key is known has the id of the notification that was accepted with it. A key is committed before
    its record is published, so that another body can never be accepted with it. A known one is published again only
    while the ledger has no row of it. Raises Conflict where a key was used with another body, and Unavailable.
    """
    hashes = {position: drafts[position].body_hash() for position, key in enumerate(keys) if key}
    rows = [
        IdempotencyKey(client=owner, key=keys[position] or "", notification_id=ids[position], body_hash=body_hash)
        for position, body_hash in hashes.items()
    ]
    stored = _store(rows, owner)
    winners = {position: stored[keys[position] or ""] for position in hashes}
    wrong = [position for position, body_hash in hashes.items() if winners[position].body_hash not in (body_hash, "")]
    if wrong:  # the hash is empty where the person was erased
        raise Conflict({position: {"idempotency_key": ["Was used with another body."]} for position in wrong})
    known = {position: row.notification_id for position, row in winners.items() if row.notification_id != ids[position]}
    if not known:
        return Identified(list(ids))
    in_ledger = set(Notification.objects.filter(id__in=set(known.values())).values_list("id", flat=True))
    published = in_ledger | set(ids)  # or will be, by the draft of this call that has the same key
    return Identified(
        [known.get(position, id) for position, id in enumerate(ids)],
        frozenset(known),
        frozenset(position for position, id in known.items() if id in published),
    )


def _store(rows: Sequence[IdempotencyKey], owner: str) -> dict[str, IdempotencyKey]:
    """Inserts the keys that are new. Returns the rows of all of them, by key. Raises Unavailable.

    Retention may remove a known key after the insert that found it and before it is read: it is new then.
    """
    # Sorted, so that two batches with the same keys wait for each other and do not deadlock.
    missing = sorted(rows, key=lambda row: row.key)
    stored: dict[str, IdempotencyKey] = {}
    for _ in range(2):
        IdempotencyKey.objects.bulk_create(missing, ignore_conflicts=True)
        found = IdempotencyKey.objects.filter(client=owner, key__in={row.key for row in missing})
        stored |= {row.key: row for row in found.only("key", "notification_id", "body_hash")}
        missing = [row for row in missing if row.key not in stored]
        if not missing:
            return stored
    raise Unavailable
