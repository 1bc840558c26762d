"""Parts of the engine's tests: messages, records, rows of the ledger, a channel whose answers a test chooses."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import uuid_utils.compat
from django.db import connection

from dlq.letters import Letters
from notifications.brokers.ledger_queue import EmbeddedBroker
from notifications.channels.base import Outgoing, Provider
from notifications.ledger.claim import claim as claim_rows
from notifications.ledger.hooks import FinalRow, Hooks, Unclaimable
from notifications.ledger.rows import TABLE, Claimed, Incoming
from notifications.messages.ids import time_of
from notifications.messages.message import Message
from notifications.messages.words import Status, standing
from notifications.models import Lease, Notification
from project.database.dialects import dialect, fetch

OFFSETS = itertools.count()
LEASE = 60.0
LETTERS = Letters(EmbeddedBroker())  # the hooks of a site that runs


class HookCalls(Hooks):
    """Hooks that keep their arguments, and whether a transaction was open."""

    def __init__(self) -> None:
        self.final: list[FinalRow] = []
        self.unclaimable: list[Unclaimable] = []
        self.inside: list[bool] = []

    def on_final(self, rows: Sequence[FinalRow]) -> None:
        self.final += rows
        self.inside.append(connection.in_atomic_block)

    def on_unclaimable(self, records: Sequence[Unclaimable]) -> None:
        self.unclaimable += records
        self.inside.append(connection.in_atomic_block)


def message(**fields: Any) -> Message:
    """A valid message; `fields` as they are given, valid or not."""
    id = fields.get("id") or uuid_utils.compat.uuid7()
    values: dict[str, Any] = {
        "id": id,
        "channel": "EMAIL",
        "receiver": "ann@example.com",
        "message": "Hello World",
        "client": "shop",
        "accepted_at": time_of(id) if isinstance(id, UUID) else datetime.now(UTC),
    }
    return Message(**(values | fields))


def incoming(submitted: Message, **fields: Any) -> Incoming:
    """The record of a message, at a place of its own."""
    place: dict[str, Any] = {
        "topic": submitted.topic,
        "partition": 1,
        "offset": next(OFFSETS),
        "trace_id": "ab" * 16,
        "value": b"raw",
    }
    return Incoming(submitted, **(place | fields))


def claim(*submitted: Message, owner: str = "batch-1", lease: float = LEASE, hooks: Hooks = LETTERS) -> list[Claimed]:
    return claim_rows([incoming(one) for one in submitted], owner=owner, lease=lease, hooks=hooks)


def claim_one(submitted: Message | None = None, owner: str = "batch-1", lease: float = LEASE) -> Claimed:
    (claimed,) = claim(submitted or message(), owner=owner, lease=lease)
    return claimed


def row(status: Status = Status.QUEUED, **fields: Any) -> Notification:
    """A row of the ledger, as whatever came before might have left it."""
    submitted = message(**{name: fields.pop(name) for name in Message.__struct_fields__ if name in fields})
    columns = {name: getattr(submitted, name) for name in Message.__struct_fields__ if name != "v"}
    stands = standing(status, leased=fields.get("owner") is not None)
    created = Notification.objects.create(**columns, receiver_hash=submitted.receiver_hash, **(stands | fields))
    if status is Status.SENDING and fields.get("lease_until"):
        lease = {"owner": fields.get("owner", ""), "look_at": fields["lease_until"]}
        Lease.objects.create(**lease, first=created.id, last=created.id, ids=created.id.bytes)
    return read(created.id)


def pass_leases(*claims: Any, seconds: float = 1) -> None:
    """Their leases have passed, so many seconds ago."""
    assert Notification.objects.filter(id__in=ids(claims)).update(lease_until=ago(seconds)) == len(claims)
    Lease.objects.update(look_at=ago(seconds))


def as_an_older_version() -> None:
    """Lets rows be listed otherwise than their status says, to the end of the transaction: see tests/conftest.py."""
    if connection.vendor == "postgresql":
        fetch("ALTER TABLE notifications_notification DROP CONSTRAINT listed_as_its_status_says")


def read(id: UUID) -> Notification:
    return Notification.objects.get(id=id)


def message_of(found: Notification) -> Message:
    """The record that the scheduler would publish of a row."""
    return Message(**{name: getattr(found, name) for name in Message.__struct_fields__ if name != "v"})


def seconds_until(column: str, id: UUID) -> float | None:
    """From now, by the database's clock; in hundredths, for SQLite counts in milliseconds."""
    until = dialect().seconds_until(column)
    ((seconds,),) = fetch(f"SELECT {until} FROM {TABLE} WHERE id = %s", [_native(id)])
    return None if seconds is None else round(float(seconds), 2)


def ago(seconds: float) -> datetime:
    """A time in the past by this machine's clock, which is the database's too."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def id_of(days: float) -> UUID:
    """Returns a UUIDv7 of so many days ago."""
    milliseconds = round((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1000)
    noise = int.from_bytes(os.urandom(10), "big") & ~(0xF << 76) & ~(0x3 << 62)
    return UUID(int=milliseconds << 80 | noise | 7 << 76 | 2 << 62)


def in_threads(*work: Callable[[], Any]) -> list[Any]:
    """Run all at once; their results, in order. What one raises is raised here."""
    results: list[Any] = [None] * len(work)
    errors: list[BaseException] = []

    def run(position: int) -> None:
        from django.db import connections

        try:
            results[position] = work[position]()
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(position,), daemon=True) for position in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]
    return results


class Scripted(Provider):
    """A provider that does what `answer` says: return an id, raise, or wait."""

    def __init__(self, answer: Callable[[Outgoing], str] = lambda _: "provider-id", name: str = "scripted") -> None:
        self.answer = answer
        self.name = name
        self.handed: list[UUID] = []

    def send(self, notification: Outgoing) -> str:
        self.handed.append(notification.id)
        return self.answer(notification)

    def close(self) -> None:
        from django.db import connections

        connections.close_all()


def claimed(number: int = 0, receiver_hash: str = "r", **fields: Any) -> Claimed:
    """A claimed row that is in no database, for what only carries rows about."""
    values: dict[str, Any] = {
        "id": UUID(int=number),
        "generation": 0,
        "claims": 1,
        "channel": "EMAIL",
        "receiver": "ann@example.com",
        "receiver_hash": receiver_hash,
        "subject": "",
        "message": "Hello",
        "html": "",
        "user": "",
        "client": "shop",
        "category": "default",
        "priority": "transactional",
        "trace_id": "",
        "attempts": 0,
        "reason": "",
        "throttled": 0,
        "send_in": None,
        "expires_in": None,
        "owner": "batch-1",
    }
    return Claimed(**(values | fields))


def ids(rows: Sequence[Any]) -> list[UUID]:
    return [one.id for one in rows]


def _native(id: UUID) -> Any:
    return Notification._meta.pk.get_db_prep_value(id, connection)
