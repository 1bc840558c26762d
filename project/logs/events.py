"""The lines about notifications: one for each change of state, with ids, and never a text, an address or a credential.

docs/logs.md has the table of them. They go round Python's logging, which would cost ten times as much: whoever has a
batch makes the lines of all of it and writes them at once. Their fields stand in the order in which they are written.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings

from project.logs.formats import in_utc
from project.logs.writer import writer

MOST_IDS = 100  # in a line; more bytes than 16 KiB are cut in two by what reads a container's output
TEXT = "%Y-%m-%d %H:%M:%S"

_encode = msgspec.json.Encoder().encode_lines


@cache
def in_words(name: str) -> str:
    """Returns the name of an event: that of StaffAct is `staff_act`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="event", tag=in_words):
    """`at` is the time of the line, from `now`."""

    at: str = msgspec.field(name="time")


class Accepted(Event, frozen=True, gc=False):
    """Answered 202, or about to be. What Kafka did not take went to the outbox."""

    client: str
    outbox: bool
    trace_id: str
    ids: list[UUID]
    level: str = "INFO"


class Queued(Event, frozen=True, gc=False):
    """Published by a scheduler: from the outbox, or again for a retry or a replay."""

    id: UUID
    trace_id: str
    channel: str
    generation: int
    origin: str
    level: str = "INFO"


class Sent(Event, frozen=True, gc=False):
    id: UUID
    trace_id: str
    channel: str
    generation: int
    provider: str
    claims: int
    milliseconds: int | None
    level: str = "INFO"


class Waiting(Event, frozen=True, gc=False):
    """A failed attempt, which has a cause and a provider, or one that was put off before it was handed over."""

    id: UUID
    trace_id: str
    channel: str
    generation: int
    provider: str
    claims: int
    milliseconds: int | None
    reason: str
    cause: str
    due_in: float | None
    level: str = "INFO"


class _Ended(Event, frozen=True, gc=False):
    id: UUID
    trace_id: str
    channel: str
    provider: str
    attempts: int
    cause: str
    level: str = "WARNING"


class Dead(_Ended, frozen=True, gc=False):
    pass


class Held(_Ended, frozen=True, gc=False):
    pass


class Expired(_Ended, frozen=True, gc=False):
    pass


class Cancelled(_Ended, frozen=True, gc=False):
    """By its client, or because its person was erased. What only Kafka had has no channel."""

    level: str = "INFO"


# By status.
ENDS: dict[str, type[_Ended]] = {"dead": Dead, "held": Held, "expired": Expired, "cancelled": Cancelled}


class Unreadable(Event, frozen=True, gc=False):
    """A record of Kafka that can be no notification, so that it became a dead letter without one."""

    id: UUID | None
    topic: str
    partition: int
    offset: int
    cause: str
    level: str = "WARNING"


class Replayed(Event, frozen=True, gc=False):
    """Waits to be sent again as the next generation, because a person or their run asked for it."""

    id: UUID
    trace_id: str
    run: int | None
    level: str = "INFO"


class TakenBack(Event, frozen=True, gc=False):
    """Stands as it did before it was replayed: its run was stopped before it was published."""

    id: UUID
    trace_id: str
    run: int
    level: str = "INFO"


class StaffAct(Event, frozen=True, gc=False):
    """Somebody of the staff did it; who, and to what, the staff actions say. `ids` are those of the notifications."""

    action: str
    run: int | None
    count: int
    ids: list[UUID]
    level: str = "INFO"


class Breaker(Event, frozen=True, gc=False):
    channel: str
    provider: str
    state: str
    cause: str
    level: str = "WARNING"


def now() -> str:
    """Returns the time as a line says it."""
    return in_utc(time.time())


def write(events: Sequence[Event]) -> None:
    """Writes a line for each event. Waits for nothing."""
    if events:
        writer.write(_encode(events) if settings.LOG_FORMAT == "json" else "".join(map(_text, events)).encode())


def parts(ids: Sequence[UUID]) -> list[list[UUID]]:
    """Returns the ids in as many lists as there are lines, at least one."""
    if len(ids) <= MOST_IDS:
        return [list(ids)]
    return [list(ids[start : start + MOST_IDS]) for start in range(0, len(ids), MOST_IDS)]


def _text(event: Event) -> str:
    """Returns the line as a terminal shows it, without what is empty."""
    fields: dict[str, Any] = msgspec.structs.asdict(event)
    level = fields.pop("level")
    del fields["at"]
    shown = [f"{name}={_shown(value)}" for name, value in fields.items() if value not in ("", None, [])]
    return f"{time.strftime(TEXT)} {level} {in_words(type(event).__name__)} {' '.join(shown)}\n"


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)
