"""What people chose, what would become of a notification for them, and the addresses to which nothing is sent.

Names, words and meanings are those of the platform's OpenAPI description. The words of an answer are not checked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NotRequired, TypedDict

from notifications_client.types import Channel, Rule, SuppressedFor

Action = Literal["send", "wait", "fold", "suppress"]
OnOrOff = Literal["on", "off"]


@dataclass(frozen=True)
class QuietHours:
    """From `start`, such as "22:00", to `end` on the person's wall clock."""

    start: str
    end: str


@dataclass(frozen=True)
class Cap:
    """At most `count` in any window of so many seconds."""

    count: int
    seconds: int


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a person chose for a category, a channel, or one category on one channel. None stands for all of them."""

    category: str | None = None
    channel: Channel | None = None
    choice: OnOrOff


@dataclass(frozen=True, kw_only=True)
class ChoiceChange:
    """A choice that is made, or taken away where it is None."""

    category: str | None = None
    channel: Channel | None = None
    choice: OnOrOff | None


@dataclass(frozen=True, kw_only=True)
class Preferences:
    """All that a person chose. None and no choices say that they chose nothing."""

    time_zone: str | None
    quiet: QuietHours | None
    paused_until: datetime | None
    all_off: bool
    cap: Cap | None
    channel_caps: Mapping[str, Cap]
    choices: tuple[Choice, ...]


class PreferencesChange(TypedDict, total=False):
    """What is to be different. What is not given stays as it is, None takes it away."""

    time_zone: str | None
    quiet: QuietHours | None
    paused_until: datetime | None  # with its zone
    all_off: bool
    cap: Cap | None
    channel_caps: Mapping[str, Cap | None]
    choices: Sequence[ChoiceChange]


@dataclass(frozen=True, kw_only=True)
class Foretold:
    """What would become of a notification, by which rule, why, and until when where it would wait."""

    decision: Action
    rule: Rule
    why: str
    until: datetime | None


class ExplainQuery(TypedDict, total=False):
    """A `user`, on one of their devices, or a `receiver` of a `type`."""

    user: str
    receiver: str
    category: str
    type: Channel
    at: datetime  # instead of now; with its zone


@dataclass(frozen=True, kw_only=True)
class Suppression:
    """Why nothing is sent to an address, or nothing of a category. The platform keeps the address as its hash alone."""

    type: Channel
    receiver_hash: str
    reason: SuppressedFor
    category: str | None
    since: datetime
    until: datetime | None
    provider: str
    evidence: str


@dataclass(frozen=True)
class SuppressionPage:
    """A page of suppressions, the newest first; as Page."""

    next: str | None
    previous: str | None
    results: tuple[Suppression, ...]


class SuppressionEntry(TypedDict):
    """An address, and why nothing is sent to it: nothing of one `category`, or nothing at all without one."""

    type: Channel
    receiver: str
    reason: SuppressedFor
    category: NotRequired[str | None]


class SuppressionQuery(TypedDict, total=False):
    """What suppressions can be asked for. A `receiver` needs its `type`."""

    type: Channel
    receiver: str
    cursor: str
    page_size: int  # 1 to 500
