"""Accepting notifications: idempotency keys, users resolved, then durable in Kafka or in the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone
from msgspec import UNSET

from notifications.brokers.base import Outbound, open_broker, outbound
from notifications.intake.addressing import addresses_of, without_names
from notifications.intake.categories import require_known
from notifications.intake.idempotency import Identified, claim_keys
from notifications.intake.new_keys import NewKey, open_groups
from notifications.intake.refused import Refused, TooLarge
from notifications.ledger.insert import insert
from notifications.ledger.minutes import minutes
from notifications.messages.draft import Draft
from notifications.messages.explain import Errors, Unavailable
from notifications.messages.ids import new_ids
from notifications.messages.message import MAX_RECORD_BYTES, new_message
from notifications.messages.rules import by_field, time_problems
from notifications.messages.tracing import trace, trace_id_of
from notifications.messages.words import Happened, Origin, Status
from project import metrics
from project.logs import events
from project.traces import tracing
from project.traces.tracing import Span
from users.access.limits import Ceilings

_accepted = cache(metrics.accepted.labels)
_published = metrics.published.labels(Origin.INTAKE)

OURS = ""  # the owner of our own idempotency keys; no client can have this name
TEXTS = "SMS"  # the channel whose notifications a key's texts a day count


class Rights(msgspec.Struct, frozen=True, gc=False):
    """What a caller may do beside sending; our own calls may do everything."""

    channels: frozenset[str] | None = None  # a user's device is chosen among these; None: every channel
    knows_users: bool = True  # sees which users cannot be reached, and why
    new_categories: bool = True  # may name categories that there are not
    a_day: Ceilings | None = None  # counts what is to be accepted


EVERYTHING = Rights()


class Accepted(NamedTuple):
    """What was accepted: the id of each draft, in order, and the records that were published for them, by position.

    There is no record of what was known by its idempotency key, unless it had not reached the ledger.
    """

    ids: list[UUID]
    records: Mapping[int, Outbound]


def accept(
    drafts: Sequence[Draft],
    *,
    client: str,
    keys: Sequence[str | None] | None = None,
    keys_of: str | None = None,
    traceparent: str = "",
    rights: Rights = EVERYTHING,
) -> Accepted:
    """Makes the drafts durable, all or none of them.

    `keys` are the idempotency keys, in order; they are the client's, or OURS where `keys_of` says so. Raises
    Refused, Conflict, TooLarge, Unavailable, and OverLimit. After Unavailable nothing was
    promised, yet some may be sent.
    """
    fresh = new_ids(len(drafts))
    keys = keys if keys and any(keys) else None  # without one, the database is not needed
    owner = client if keys_of is None else keys_of
    with _begin_span(traceparent, len(drafts)) as span:
        parent = span.traceparent or traceparent
        return _accept(_Call(drafts, fresh, keys, owner, client, parent, rights))


def _begin_span(traceparent: str, count: int) -> Span:
    """Returns the span of a request, below the caller's, which began the trace where theirs is well-formed."""
    if not tracing.is_on():
        return tracing.NOTHING
    about = tracing.about("intake", "create", "", **{"messaging.batch.message_count": count})
    return tracing.begin("intake", traceparent if trace_id_of(traceparent) else "", tracing.SERVER, about)


def _accept(call: _Call) -> Accepted:
    ids = call.fresh  # but for keys that are known
    try:
        records = _with_a_new_key(call) if call.keys else _checked(call, Identified(call.fresh))
        if records is None:
            ids, records = _with_any_keys(call)
        _publish(list(records.values()))
    except (DatabaseError, InterfaceError) as error:
        raise Unavailable from error
    _count(records.values())
    return Accepted(ids, records)


def _count(records: Iterable[Outbound]) -> None:
    by_channel: dict[str, int] = {}  # a request has one record nearly always: less work than a Counter's
    for record in records:
        if message := record.message:
            by_channel[message.channel] = by_channel.get(message.channel, 0) + 1
    for channel, count in by_channel.items():
        _accepted(channel).inc(count)
    minutes.add({(channel, "", Happened.ACCEPTED, ""): count for channel, count in by_channel.items()})


class _Call(msgspec.Struct, frozen=True, gc=False):
    """What `accept` was called with."""

    drafts: Sequence[Draft]
    fresh: list[UUID]  # one for each draft, where its key does not lead to another
    keys: Sequence[str | None] | None
    owner: str  # of the keys
    client: str
    traceparent: str
    rights: Rights


def _with_a_new_key(call: _Call) -> dict[int, Outbound] | None:
    """Inserts the one key of the call where it is new. Returns the records; None where `_with_any_keys` must decide.

    This is the short way of nearly all requests with a key: the checks come first, so nothing has to be undone, and the
    insert takes one trip to the database, shared with other requests. A draft that is refused takes the other way,
    because its key may be known, and the first answer stands. So does what is counted against a limit together with its
    key, and a caller inside a transaction, where nothing is committed yet.
    """
    if len(call.drafts) > 1 or connection.in_atomic_block:
        return None
    try:
        records = _records_of(call, Identified(call.fresh))
    except Refused:
        return None
    if call.rights.a_day and call.rights.a_day.concern(_texts(records.values())):
        return None
    [draft], [key] = call.drafts, call.keys or [""]
    new = NewKey(call.owner, key or "", call.fresh[0], draft.body_hash())
    return records if open_groups().insert(new) else None


def _with_any_keys(call: _Call) -> tuple[list[UUID], dict[int, Outbound]]:
    """Inserts the keys that are new, in one transaction with all checks. Returns the ids and the records to publish."""
    with transaction.atomic():
        identified = claim_keys(call.drafts, call.keys or [], call.fresh, call.owner)
        return identified.ids, _checked(call, identified)


def _checked(call: _Call, identified: Identified) -> dict[int, Outbound]:
    """Returns the records to publish, by position; those that are new count. Raises what `accept` raises."""
    records = _records_of(call, identified)
    if call.rights.a_day:
        new = [record for position, record in records.items() if position not in identified.known]
        call.rights.a_day.spend(len(new), _texts(new))
    return records


def _texts(records: Iterable[Outbound]) -> int:
    return sum(1 for record in records if record.message and record.message.channel == TEXTS)


def _records_of(call: _Call, identified: Identified) -> dict[int, Outbound]:
    """Returns the records of all but the durable, by position. Raises Refused or TooLarge."""
    pending = {position: draft for position, draft in enumerate(call.drafts) if position not in identified.durable}
    _check_times(pending, identified.known)
    if not call.rights.new_categories:
        require_known(pending, identified.known)
    return _records(pending, identified.ids, call.client, call.traceparent, call.rights)


def _check_times(drafts: Mapping[int, Draft], known: frozenset[int]) -> None:
    """Raises Refused; of one that was accepted before they may have passed since."""
    timed = {p: d for p, d in drafts.items() if (d.send_at or d.expires_at or d.latest_at) and p not in known}
    if not timed:
        return
    now = timezone.now()
    if wrong := {p: found for p, draft in timed.items() if (found := by_field(time_problems(draft, now)))}:
        raise Refused(wrong)


def _records(
    drafts: Mapping[int, Draft], ids: Sequence[UUID], client: str, traceparent: str, rights: Rights
) -> dict[int, Outbound]:
    """Returns the records to publish, by position and in its order. Raises Refused or TooLarge.

    What is wrong with a draft by itself is reported before any user is looked up. Otherwise a batch that is refused
    anyway, and so sends nothing, would tell who is in the directory.
    """
    one = trace(traceparent)  # a request is one trace

    def record(position: int, channel: str, receiver: str) -> Outbound:
        message = new_message(drafts[position], client=client, channel=channel, receiver=receiver, id=ids[position])
        return outbound(message, origin=Origin.INTAKE, traceparent=one)

    given = {p: record(p, draft.type or "", draft.receiver or "") for p, draft in drafts.items() if draft.user is UNSET}
    if too_large := _too_large(given):
        raise TooLarge(too_large)
    if len(given) == len(drafts):
        return given
    to_users = {position: draft for position, draft in drafts.items() if position not in given}
    addresses, errors = addresses_of(to_users, rights.channels)
    resolved = {position: record(position, *address) for position, address in addresses.items()}
    too_large = _too_large(resolved)
    if (errors or too_large) and not rights.knows_users:
        raise Refused(without_names(to_users))
    if errors:
        raise Refused(errors)
    if too_large:
        raise TooLarge(too_large)
    return dict(sorted((given | resolved).items()))


def _too_large(records: Mapping[int, Outbound]) -> dict[int, Errors]:
    too_large = [position for position, record in records.items() if len(record.value) > MAX_RECORD_BYTES]
    return {p: {"message": [f"Takes more than {MAX_RECORD_BYTES:,} bytes as JSON."]} for p in too_large}


def _publish(records: list[Outbound]) -> None:
    """Makes the records durable in the broker, or in the outbox. What was not acknowledged may still arrive.

    What Kafka refuses for good takes the outbox too: the caller kept to our limits, so the scheduler makes a dead
    letter of it, which is replayed once the topic's settings are mended.
    """
    with _span(records):
        fates = open_broker().publish(records)
    outbox = [record for record, fate in zip(records, fates, strict=True) if not fate.durable]
    _published.inc(len(records) - len(outbox))
    if outbox:
        insert([(r.message, trace_id_of(r.traceparent)) for r in outbox if r.message], Status.ACCEPTED)
        metrics.outboxed.inc(len(outbox))
        _log(outbox, outbox=True)
        records = [record for record, fate in zip(records, fates, strict=True) if fate.durable]
    _log(records)


def _span(records: list[Outbound]) -> Span:
    if not records or not tracing.is_on():
        return tracing.NOTHING
    topics = {record.topic for record in records}
    topic, count = topics.pop() if len(topics) == 1 else "", len(records)
    about = tracing.about("publish", "send", topic, **{"messaging.batch.message_count": count})
    return tracing.begin(f"publish {topic}".strip(), records[0].traceparent, tracing.CLIENT, about)


def _log(records: Sequence[Outbound], *, outbox: bool = False) -> None:
    """Writes the lines of a request's records, all of which have one trace and one client."""
    ids = [record.message.id for record in records if record.message]
    if ids and (first := records[0].message):
        now, trace_id = events.now(), trace_id_of(records[0].traceparent)
        events.write([events.Accepted(now, first.client, outbox, trace_id, some) for some in events.parts(ids)])
