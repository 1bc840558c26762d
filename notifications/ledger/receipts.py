"""Receipts: each event of a provider's is stored once, and has its effect on the address in the same transaction.

The ledger's rows are not touched: a settle needs no index for them, and what became of a notification is read from its
receipts, whatever their order. So a receipt may come before the row says that it was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Min
from django.db.models.functions import Now
from django.utils import timezone

from notifications.channels.receipts import DeliveryState, Event, ReceiptType
from notifications.messages.ids import first_id_at, receiver_hash
from notifications.messages.words import SuppressedFor
from notifications.models import Receipt
from project import metrics
from project.database.dialects import Dialect, Statement, as_json, repeated, turn_to_write
from users.recipients.suppression import SOFT, Address, New, hashes_of, lift, suppress_all

MATCHED_WITHIN = timedelta(days=7)  # between the acceptance of a notification and a receipt without its id
FIRST_LOOK = 30.0  # seconds until an unmatched receipt is looked for again; then after twice its age
LAST_LOOK = 86_400.0  # its age in seconds at which nobody looks again
AT_ONCE = 500
AHEAD = timedelta(minutes=5)  # that a provider's clock may be ahead of ours

# What an event means for the address; the others are about one notification alone.
REASONS = {
    ReceiptType.BOUNCED: SuppressedFor.BOUNCED,
    ReceiptType.SOFT_BOUNCED: SuppressedFor.BOUNCED,
    ReceiptType.COMPLAINED: SuppressedFor.COMPLAINED,
    ReceiptType.UNSUBSCRIBED: SuppressedFor.UNSUBSCRIBED,
    ReceiptType.OPTED_OUT: SuppressedFor.STOP,
    ReceiptType.STOP: SuppressedFor.STOP,
}
POINTS = {ReceiptType.SOFT_BOUNCED: SOFT}


class Delivery(NamedTuple):
    """What became of a notification after it was sent, and since when."""

    state: DeliveryState
    at: datetime


def take(events: Sequence[Event]) -> int:
    """Stores the events that are new and does what they ask for, all or nothing. Returns how many were new."""
    if not events:
        return 0
    now = timezone.now()
    keyed = {_key(event): event for event in events}
    rows = [_row(key, keyed[key], now) for key in sorted(keyed)]  # in one order, so that no two deadlock

    def store() -> list[Event]:
        with turn_to_write(), transaction.atomic():
            new = [keyed[key] for (key,) in insert_receipts(rows=as_json(rows))]
            _follow(new)
            return new

    new = repeated(store)
    for event in new:
        metrics.receipts.labels(event.channel, event.type).inc()
    if any(_may_be_matched(event) for event in new):
        match()
    return len(new)


def match() -> int:
    """Looks for the notifications of receipts that came without an id. Returns how many it looked at.

    It finds them by the receiver and the provider's id of the message, among those of the last days.
    """
    if not Receipt.objects.filter(look_at__lte=Now()).exists():
        return 0
    since = first_id_at(timezone.now() - MATCHED_WITHIN).hex
    with turn_to_write():
        return len(match_receipts(since=since, limit=AT_ONCE))


def delivery_of(notification_id: UUID) -> Delivery | None:
    """Returns what its receipts say: the highest state in rank, and when it was reached first."""
    reported = Receipt.objects.filter(notification_id=notification_id).order_by()
    found = reported.values_list("type").annotate(Min("at"))
    states = [Delivery(state, at) for word, at in found if (state := ReceiptType(word).state)]
    return min(states, key=lambda each: (-each.state.rank, each.at), default=None)


def _key(event: Event) -> str:
    """Returns what is equal for one event however often it comes: providers give a repetition a new id."""
    second = event.at.replace(microsecond=0).isoformat() if event.at else ""
    hashed = receiver_hash(event.channel, event.receiver)
    words = "\0".join((event.provider, event.message_id, hashed, event.type, second))
    return blake2b(words.encode(), digest_size=16).hexdigest()


def _row(key: str, event: Event, now: datetime) -> dict[str, object]:
    return {
        "key": key,
        "provider": event.provider,
        "provider_message_id": event.message_id,
        "channel": event.channel,
        "receiver_hash": receiver_hash(event.channel, event.receiver),
        "notification_id": event.notification_id,
        "type": event.type,
        "detail": event.detail,
        "at": (event.at if event.at and event.at < now + AHEAD else now).astimezone(UTC),
        "unmatched": _may_be_matched(event),
    }


def _may_be_matched(event: Event) -> bool:
    return event.notification_id is None and event.type.state is not None and bool(event.message_id)


def _follow(new: Sequence[Event]) -> None:
    """Suppresses the addresses that these events are about, and lifts what a START lifts."""
    suppress_all(_suppression(event) for event in new if event.type in REASONS)
    started = [event for event in new if event.type is ReceiptType.START]
    if started:
        lift({each for event in started for each in hashes_of(event.channel, event.receiver)}, SuppressedFor.STOP)


def _suppression(event: Event) -> New:
    address = Address(event.channel, receiver_hash(event.channel, event.receiver), event.receiver)
    points = POINTS.get(event.type, 0.0)
    return New(address, REASONS[event.type], points=points, evidence=event.detail, provider=event.provider)


@Statement
def insert_receipts(d: Dialect) -> str:
    """Returns the keys of those that were not there."""
    columns = {
        **dict.fromkeys(
            ("key", "provider", "provider_message_id", "channel", "receiver_hash", "type", "detail"), "text"
        ),
        "notification_id": "uuid",
        "at": "timestamptz",
    }
    names = ", ".join(columns)
    return f"""
        INSERT INTO notifications_receipt ({names}, received_at, look_at)
        SELECT {", ".join(f"r.{name}" for name in columns)}, {d.now}, CASE WHEN r.unmatched THEN {d.now} END
        FROM {d.rows(columns | {"unmatched": "boolean"})} WHERE true
        ON CONFLICT (key) DO NOTHING RETURNING key"""


@Statement
def match_receipts(d: Dialect) -> str:
    """Gives those whose turn it is their notification, or another turn."""
    age = f"-({d.seconds_until('n.received_at')})"
    later = f"CASE WHEN {age} < {LAST_LOOK} THEN {d.later(f'{FIRST_LOOK} + {age}')} END"
    return f"""
        UPDATE notifications_receipt AS n
        SET notification_id = f.found, look_at = CASE WHEN f.found IS NULL THEN {later} END
        FROM (
            SELECT r.id, (
                SELECT m.id FROM notifications_notification AS m
                WHERE m.receiver_hash = r.receiver_hash AND m.id >= %(since)s
                AND m.provider_message_id = r.provider_message_id
                ORDER BY m.id DESC LIMIT 1
            ) AS found
            FROM (
                SELECT n.id, n.receiver_hash, n.provider_message_id FROM notifications_receipt AS n
                WHERE n.look_at <= {d.now} ORDER BY n.look_at LIMIT %(limit)s {d.skip_locked}
            ) AS r
        ) AS f
        WHERE n.id = f.id {d.returning("id")}"""
