"""Accepting notifications: idempotency keys, users resolved, then durable in Kafka or in the outbox."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import nullcontext
from functools import cache
from uuid import UUID

import uuid_utils.compat
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone
from msgspec import UNSET

from notifications import ledger, metrics
from notifications.broker import Outbound, open_broker, outbound, trace, trace_id_of
from notifications.causes import Status
from notifications.complaints import Errors
from notifications.message import MAX_RECORD_BYTES, Draft, Message, content_problems, new_message
from notifications.models import IdempotencyKey, Notification
from users.models import User

_accepted = cache(metrics.accepted.labels)
_published = metrics.published.labels("intake")

Devices = dict[str, list[tuple[str, str]]]  # username → (channel, address), the preferred first


class Refused(Exception):
    """Some drafts cannot be accepted, so none was; `errors` by position, in DRF's shape."""

    def __init__(self, errors: dict[int, Errors]) -> None:
        super().__init__(str(errors))
        self.errors = errors


class Conflict(Refused):
    """An idempotency key was used with another body."""


class TooLarge(Refused):
    """A record over what Kafka takes."""


class Unavailable(Exception):
    """Neither Kafka nor the outbox could take it; `retry_after` in seconds."""

    retry_after = 5


def accept(
    drafts: Sequence[Draft], *, client: str, keys: Sequence[str | None] | None = None, traceparent: str = ""
) -> list[UUID]:
    """Make the drafts durable, all or none of them; their ids, in order.

    `keys` are the idempotency keys, in order. Raises Refused, Conflict, TooLarge or Unavailable. After
    Unavailable nothing was promised, yet some may be sent.
    """
    ids = [uuid_utils.compat.uuid7() for _ in drafts]
    keys = keys if keys and any(keys) else None  # without one, the database is not needed
    try:
        with transaction.atomic() if keys else nullcontext():
            answered, known = _claim_keys(drafts, keys, ids, client) if keys else (set(), set())
            messages = _messages(drafts, ids, client, answered, known)
            records = _records(messages, traceparent)
        _publish(records)
    except (DatabaseError, InterfaceError) as error:
        raise Unavailable from error
    channels = [message.channel for message in messages.values()]
    for channel in set(channels):
        _accepted(channel).inc(channels.count(channel))
    return ids


def _claim_keys(
    drafts: Sequence[Draft], keys: Sequence[str | None], ids: list[UUID], client: str
) -> tuple[set[int], set[int]]:
    """Insert the keys, and give drafts whose key is known its id; positions that need no publishing, and known ones.

    A key is committed before its record is published, so that another body can never be accepted with it. One
    that is known is published again only while the ledger has no row of it.
    """
    hashes = {position: drafts[position].body_hash() for position, key in enumerate(keys) if key}
    rows = [
        IdempotencyKey(client=client, key=keys[position] or "", notification_id=ids[position], body_hash=body_hash)
        for position, body_hash in hashes.items()
    ]
    # Sorted, so that two batches with the same keys wait for each other and do not deadlock.
    IdempotencyKey.objects.bulk_create(sorted(rows, key=lambda row: row.key), ignore_conflicts=True)
    stored = {
        key: (id, body_hash)
        for key, id, body_hash in IdempotencyKey.objects.filter(
            client=client, key__in={row.key for row in rows}
        ).values_list("key", "notification_id", "body_hash")
    }
    wrong = {p: ["Was used with another body."] for p, said in hashes.items() if stored[keys[p] or ""][1] != said}
    if wrong:
        raise Conflict({position: {"idempotency_key": why} for position, why in wrong.items()})
    known = {p: stored[keys[p] or ""][0] for p in hashes if stored[keys[p] or ""][0] != ids[p]}
    if not known:
        return set(), set()
    new_in_this_call = set(ids)
    in_ledger = set(Notification.objects.filter(id__in=set(known.values())).values_list("id", flat=True))
    for position, id in known.items():
        ids[position] = id
    return {position for position, id in known.items() if id in in_ledger or id in new_in_this_call}, set(known)


def _messages(
    drafts: Sequence[Draft], ids: list[UUID], client: str, answered: set[int], known: set[int]
) -> dict[int, Message]:
    """The messages to publish, by position; one that was accepted before may have expired. Raises Refused."""
    devices = _devices({draft.user for draft in drafts if draft.user is not UNSET})
    now = timezone.now()
    messages: dict[int, Message] = {}
    errors: dict[int, Errors] = {}
    for position, (draft, id) in enumerate(zip(drafts, ids, strict=True)):
        if position in answered:
            continue
        channel, receiver, problems = _address(draft, devices)
        if draft.expires_at and draft.expires_at <= now and position not in known:
            problems = problems | {"expires_at": ["Must be in the future."]}
        if problems:
            errors[position] = problems
        else:
            messages[position] = new_message(draft, client=client, channel=channel, receiver=receiver, id=id)
    if errors:
        raise Refused(errors)
    return messages


def _devices(usernames: set[str]) -> Devices:
    """The devices of the users there are; staff accounts are not users of the main application."""
    found: Devices = defaultdict(list)
    if usernames:
        rows = User.objects.filter(username__in=usernames, is_staff=False).order_by("devices__position", "devices__id")
        for username, channel, address in rows.values_list("username", "devices__channel", "devices__address"):
            found[username] += [(channel, address)] if channel else []
    return dict(found)


def _address(draft: Draft, devices: Devices) -> tuple[str, str, Errors]:
    """Where a draft goes: (channel, receiver, what is wrong)."""
    if draft.user is UNSET:
        return str(draft.type), str(draft.receiver), {}
    if draft.user not in devices:
        return "", "", {"user": ["There is no such user."]}
    for channel, address in devices[draft.user]:
        if draft.type in (UNSET, channel):
            return channel, address, content_problems(draft, channel, address)
    kind = "" if draft.type is UNSET else f"{draft.type} "
    return "", "", {"user": [f"This user has no {kind}device."]}


def _records(messages: dict[int, Message], traceparent: str) -> list[Outbound]:
    one = trace(traceparent)  # a request is one trace
    records = {p: outbound(message, origin="intake", traceparent=one) for p, message in messages.items()}
    too_large = [position for position, record in records.items() if len(record.value) > MAX_RECORD_BYTES]
    if too_large:
        raise TooLarge({p: {"message": [f"Takes more than {MAX_RECORD_BYTES:,} bytes as JSON."]} for p in too_large})
    return list(records.values())


def _publish(records: list[Outbound]) -> None:
    """Durable in the broker, or in the outbox: what was not acknowledged may still arrive, with the same id."""
    durable = open_broker().publish(records)
    _published.inc(sum(durable))
    outbox = [record for record, fine in zip(records, durable, strict=True) if not fine]
    if outbox:
        ledger.insert([(r.message, trace_id_of(r.traceparent)) for r in outbox if r.message], Status.ACCEPTED)
        metrics.outboxed.inc(len(outbox))
