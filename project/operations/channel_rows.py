"""How each channel is: whether it sends, how much beside the usual, and what it still has to send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dlq.story.explanations import explain
from dlq.story.outages import still_open
from notifications.channels import channel_in_words, channel_names
from notifications.ledger.pauses.telling import of_channel
from notifications.messages.words import Happened, Status, Waits, reasons
from notifications.models import BreakerEvent, Standing
from project.desk.moments import age, at, since
from project.operations.figures import JUST_NOW, ONE_HOUR
from project.operations.known import Known
from project.operations.links import Links

ENOUGH_TO_COMPARE = 20  # notifications an hour
UNKNOWN = "unknown"
ON_PURPOSE = frozenset(map(str, reasons(Waits.ON_PURPOSE)))


@dataclass(frozen=True, slots=True)
class Figure:
    text: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """`word` is shown; `tone` is "bad", "odd", "good" or ""; `sentence` is for the top of the page, if anything."""

    word: str
    tone: str = ""
    sentence: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ChannelRow:
    name: str
    state: State
    sent: Figure
    usual: str
    waiting: Figure
    queued: Figure
    oldest: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What a channel has still to send; None where it is not known. What waits on purpose is in no sense the oldest."""

    waiting: int | None
    queued: int | None
    oldest: datetime | None
    oldest_queued: datetime | None

    @property
    def total(self) -> int:
        return (self.waiting or 0) + (self.queued or 0)

    @classmethod
    def of(cls, channel: str, known: Known) -> Backlog:
        by_reason, queued = known.counted(Standing.Name.WAITING), known.counted(Standing.Name.QUEUED)
        by_channel: Mapping[str, Any] = by_reason.get(channel, {}) if by_reason is not None else {}
        of_channel: Mapping[str, Any] = queued.get(channel, {}) if queued is not None else {}
        late = [each for reason, each in by_channel.items() if reason not in ON_PURPOSE]
        times = [datetime.fromisoformat(each["oldest"]) for each in (*late, of_channel) if each.get("oldest")]
        oldest_queued = of_channel.get("oldest")
        return cls(
            sum(each["rows"] for each in by_channel.values()) if by_reason is not None else None,
            of_channel.get("rows", 0) if queued is not None else None,
            min(times, default=None),
            datetime.fromisoformat(oldest_queued) if oldest_queued else None,
        )


def channel_rows(known: Known, links: Links) -> list[ChannelRow]:
    """Returns a row for each registered channel, with one query for each."""
    return [_row(channel, known, links) for channel in channel_names()]


def _row(channel: str, known: Known, links: Links) -> ChannelRow:
    pace, backlog = known.pace(channel, Happened.SENT), Backlog.of(channel, known)
    last_hour = {"status": Status.SENT.value, **links.span("accepted_at", known.now - ONE_HOUR, known.now)}
    return ChannelRow(
        channel_in_words(channel),
        _state(channel, known, backlog),
        Figure(f"{pace.last_hour:,}", links.notifications(channel=channel, **last_hour)),
        "not known yet" if pace.usual is None else f"{pace.usual:,}",
        _figure(backlog.waiting, links.notifications(channel=channel, status=Status.WAITING.value)),
        _figure(backlog.queued, "" if links.in_kafka else links.notifications(channel=channel, status="queued")),
        age(backlog.oldest, known.now) if backlog.oldest else "–",
    )


def _figure(count: int | None, link: str) -> Figure:
    return Figure(UNKNOWN) if count is None else Figure(f"{count:,}", link)


def _state(channel: str, known: Known, backlog: Backlog) -> State:
    name, senders = channel_in_words(channel), known.senders(channel)
    if not known.senders():
        return State("unknown: no sender is alive", "bad")
    if not senders:
        return State("no sender", "bad", f"No sender that is alive serves {name}.{_left(backlog)}")
    if pause := of_channel(known.pauses, channel):
        return State(f"paused {since(pause.began_at, known.now)}", "odd")
    if opened := still_open(channel, senders):
        return _out_of_order(channel, known, backlog, opened)
    sending = known.pace(channel, Happened.SENT).just_now > 0
    stuck = backlog.oldest_queued and known.now - backlog.oldest_queued > JUST_NOW and not sending
    if stuck and backlog.oldest_queued:
        since_when = f"Nothing was sent by {name} for five minutes, though notifications are queued"
        return State("stands still", "bad", f"{since_when}, the oldest {at(backlog.oldest_queued, known.now)}.")
    return _in_order(channel, known, backlog, sending=sending)


def _out_of_order(channel: str, known: Known, backlog: Backlog, opened: list[BreakerEvent]) -> State:
    """Returns the state of a channel of which at least one breaker is open, in at least one sender."""
    name, first = channel_in_words(channel), min(opened, key=lambda event: event.at)
    when, all_senders = since(first.at, known.now), len(known.senders(channel))
    notes = [_note(provider, opened, all_senders) for provider in sorted({event.provider for event in opened})]
    why = explain(first.cause).clause
    if known.pace(channel, Happened.SENT).just_now:
        word = f"partly out of order {when}"
        return State(word, "odd", f"{name} is partly out of order {when}: {why}. Others still send.", notes)
    sentence = f"{name} is out of order {when}: {why}.{_left(backlog)}"
    return State(f"out of order {when}", "bad", sentence, notes)


def _note(provider: str, opened: list[BreakerEvent], all_senders: int) -> str:
    events = [event for event in opened if event.provider == provider]
    where = f", in {len(events)} of {all_senders} senders" if len(events) < all_senders else ""
    return f"{provider}: {explain(events[0].cause).clause}{where}"


def _in_order(channel: str, known: Known, backlog: Backlog, *, sending: bool) -> State:
    sent, accepted = known.pace(channel, Happened.SENT), known.pace(channel, Happened.ACCEPTED)
    usual = sent.usual or 0
    few = usual >= ENOUGH_TO_COMPARE and sent.last_hour < usual / 2
    if few and accepted.last_hour >= usual / 2:
        sentence = (
            f"{channel_in_words(channel)} sent {sent.last_hour:,} in the last hour, usually {usual:,}, "
            f"though {accepted.last_hour:,} were accepted."
        )
        return State("slower than usual", "odd", sentence)
    if sending:
        notes = ["Fewer than usual were asked for."] if few else []
        return State("sending", "good", notes=notes)
    if backlog.queued:
        return State("queued", "good")
    return State("nothing is due", "") if backlog.waiting else State("nothing to send", "")


def _left(backlog: Backlog) -> str:
    """Returns the sentence about what waits for a channel that does not send."""
    if not backlog.total:
        return ""
    if backlog.total == 1:
        return " 1 notification waits and will go out by itself."
    return f" {backlog.total:,} notifications wait and will go out by themselves."
