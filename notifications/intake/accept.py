"""Accepting notifications: idempotency keys, users resolved, then durable in Kafka or in the outbox."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from uuid import UUID

import uuid_utils.compat
from django.db import DatabaseError, InterfaceError, transaction
from django.utils import timezone
from msgspec import UNSET

from notifications.brokers.base import Outbound, open_broker, outbound
from notifications.ledger.insert import insert
from notifications.messages.draft import Draft
from notifications.messages.explain import Errors, Unavailable
from notifications.messages.message import MAX_RECORD_BYTES, new_message
from notifications.messages.rules import content_problems
from notifications.messages.tracing import trace, trace_id_of
from notifications.messages.words import Origin, Status
from notifications.models import IdempotencyKey, Notification
from project import metrics
from users.people.models import User

_accepted = cache(metrics.accepted.labels)
_published = metrics.published.labels(Origin.INTAKE)

OURS = ""  # the owner of our own idempotency keys; no client can have this name
TEXTS = "SMS"  # the channel whose notifications a key's texts a day count

Devices = dict[str, list[tuple[str, str]]]  # username → (channel, address), the preferred first


@dataclass(frozen=True, slots=True)
class Rights:
    """What a caller may do beside sending; our own calls may do everything."""

    channels: frozenset[str] | None = None  # a user's device is chosen among these; None: every channel
    knows_users: bool = True  # sees which users cannot be reached, and why
    spend_texts: Callable[[int], None] | None = None  # called with how many texts are to be accepted


EVERYTHING = Rights()


class Refused(Exception):
    """Some drafts cannot be accepted, so none was; `errors` by position, in DRF's shape."""

    def __init__(self, errors: dict[int, Errors]) -> None:
        super().__init__(str(errors))
        self.errors = errors


class Conflict(Refused):
    """An idempotency key was used with another body."""


class TooLarge(Refused):
    """A record over what Kafka takes."""


def accept(
    drafts: Sequence[Draft],
    *,
    client: str,
    keys: Sequence[str | None] | None = None,
    keys_of: str | None = None,
    traceparent: str = "",
    rights: Rights = EVERYTHING,
) -> list[UUID]:
    """Make the drafts durable, all or none of them; their ids, in order.

    `keys` are the idempotency keys, in order; they are the client's, or OURS where `keys_of` says so. Raises
    Refused, Conflict, TooLarge, Unavailable, and what `rights.spend_texts` raises. After Unavailable nothing was
    promised, yet some may be sent.
    """
    ids = [uuid_utils.compat.uuid7() for _ in drafts]
    keys = keys if keys and any(keys) else None  # without one, the database is not needed
    owner = client if keys_of is None else keys_of
    try:
        with transaction.atomic() if keys else nullcontext():
            answered, known = _claim_keys(drafts, keys, ids, owner) if keys else (set(), set())
            pending = {position: draft for position, draft in enumerate(drafts) if position not in answered}
            _refuse_expired(pending, known)
            records = _records(pending, ids, client, traceparent, rights)
            channels = {position: record.message.channel for position, record in records.items() if record.message}
            if rights.spend_texts:
                new = [channel for position, channel in channels.items() if position not in known]
                rights.spend_texts(new.count(TEXTS))
        _publish(list(records.values()))
    except (DatabaseError, InterfaceError) as error:
        raise Unavailable from error
    for channel, count in Counter(channels.values()).items():
        _accepted(channel).inc(count)
    return ids


def _claim_keys(
    drafts: Sequence[Draft], keys: Sequence[str | None], ids: list[UUID], owner: str
) -> tuple[set[int], set[int]]:
    """Insert the keys, and give drafts whose key is known its id; positions that need no publishing, and known ones.

    A key is committed before its record is published, so that another body can never be accepted with it. One
    that is known is published again only while the ledger has no row of it.
    """
    hashes = {position: drafts[position].body_hash() for position, key in enumerate(keys) if key}
    rows = [
        IdempotencyKey(client=owner, key=keys[position] or "", notification_id=ids[position], body_hash=body_hash)
        for position, body_hash in hashes.items()
    ]
    # Sorted, so that two batches with the same keys wait for each other and do not deadlock.
    IdempotencyKey.objects.bulk_create(sorted(rows, key=lambda row: row.key), ignore_conflicts=True)
    stored = {
        key: (id, body_hash)
        for key, id, body_hash in IdempotencyKey.objects.filter(
            client=owner, key__in={row.key for row in rows}
        ).values_list("key", "notification_id", "body_hash")
    }
    wrong = {p: ["Was used with another body."] for p, own in hashes.items() if stored[keys[p] or ""][1] != own}
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


def _refuse_expired(drafts: Mapping[int, Draft], known: set[int]) -> None:
    """Raises Refused; one that was accepted before may have expired since."""
    now = timezone.now()
    late = [p for p, draft in drafts.items() if draft.expires_at and draft.expires_at <= now and p not in known]
    if late:
        raise Refused({position: {"expires_at": ["Must be in the future."]} for position in late})


def _records(
    drafts: Mapping[int, Draft], ids: Sequence[UUID], client: str, traceparent: str, rights: Rights
) -> dict[int, Outbound]:
    """The records to publish, by position and in its order. Raises Refused or TooLarge.

    What is wrong with a draft by itself is reported before any user is looked up. Otherwise a batch that is refused
    anyway, and so sends nothing, would tell who is in the directory.
    """
    one = trace(traceparent)  # a request is one trace

    def record(position: int, channel: str, receiver: str) -> Outbound:
        message = new_message(drafts[position], client=client, channel=channel, receiver=receiver, id=ids[position])
        return outbound(message, origin=Origin.INTAKE, traceparent=one)

    given = {p: record(p, str(draft.type), str(draft.receiver)) for p, draft in drafts.items() if draft.user is UNSET}
    if too_large := _too_large(given):
        raise TooLarge(too_large)
    if len(given) == len(drafts):
        return given
    to_users = {position: draft for position, draft in drafts.items() if position not in given}
    addresses, errors = _addresses(to_users, rights.channels)
    resolved = {position: record(position, *address) for position, address in addresses.items()}
    too_large = _too_large(resolved)
    if (errors or too_large) and not rights.knows_users:
        raise Refused(_without_names(to_users))
    if errors:
        raise Refused(errors)
    if too_large:
        raise TooLarge(too_large)
    return dict(sorted((given | resolved).items()))


def _too_large(records: Mapping[int, Outbound]) -> dict[int, Errors]:
    too_large = [position for position, record in records.items() if len(record.value) > MAX_RECORD_BYTES]
    return {p: {"message": [f"Takes more than {MAX_RECORD_BYTES:,} bytes as JSON."]} for p in too_large}


def _without_names(to_users: Mapping[int, Draft]) -> dict[int, Errors]:
    """The one answer for users who cannot be reached, whatever the reason and whoever of them it is."""
    who = "This user" if len(to_users) == 1 else "This user, or another of this batch,"
    return {position: {"user": [f"{who} has no device that can take this."]} for position in to_users}


def _addresses(
    drafts: Mapping[int, Draft], channels: frozenset[str] | None
) -> tuple[dict[int, tuple[str, str]], dict[int, Errors]]:
    """Where drafts to users go, as (channel, receiver) by position, and what is wrong with the others."""
    devices = _devices({str(draft.user) for draft in drafts.values()})
    addresses: dict[int, tuple[str, str]] = {}
    errors: dict[int, Errors] = {}
    for position, draft in drafts.items():
        channel, receiver, problems = _address(draft, devices, channels)
        if problems:
            errors[position] = problems
        else:
            addresses[position] = (channel, receiver)
    return addresses, errors


def _devices(usernames: set[str]) -> Devices:
    """Returns the devices of those of these users who are in the directory."""
    found: Devices = defaultdict(list)
    if usernames:
        rows = User.objects.filter(username__in=usernames).order_by("devices__position", "devices__id")
        for username, channel, address in rows.values_list("username", "devices__channel", "devices__address"):
            found[username] += [(channel, address)] if channel else []
    return dict(found)


def _address(draft: Draft, devices: Devices, channels: frozenset[str] | None) -> tuple[str, str, Errors]:
    """Where a draft to a user goes: (channel, receiver, what is wrong)."""
    user = str(draft.user)
    if user not in devices:
        return "", "", {"user": ["There is no such user."]}
    for channel, address in devices[user]:
        if draft.type in (UNSET, channel) and (channels is None or channel in channels):
            return channel, address, content_problems(draft, channel, address)
    kind = "" if draft.type is UNSET else f"{draft.type} "
    return "", "", {"user": [f"This user has no {kind}device."]}


def _publish(records: list[Outbound]) -> None:
    """Durable in the broker, or in the outbox: what was not acknowledged may still arrive, with the same id.

    What Kafka refuses for good takes the outbox too: the caller kept to our limits, so the scheduler makes a dead
    letter of it, which is replayed once the topic's settings are mended.
    """
    fates = open_broker().publish(records)
    outbox = [record for record, fate in zip(records, fates, strict=True) if not fate.durable]
    _published.inc(len(records) - len(outbox))
    if outbox:
        insert([(r.message, trace_id_of(r.traceparent)) for r in outbox if r.message], Status.ACCEPTED)
        metrics.outboxed.inc(len(outbox))
