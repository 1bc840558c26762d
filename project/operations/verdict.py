"""The first lines of the overview: whether all is well, and if not, what is not, in sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from notifications.ledger.pauses.telling import in_a_sentence
from notifications.messages.words import PauseKind
from notifications.models import Job, Standing
from project.desk.moments import at
from project.operations.channel_rows import ChannelRow
from project.operations.known import Known
from project.operations.links import Links

LONGEST_OVERDUE = 60.0  # seconds; a scheduler that keeps up publishes what is due within one
NO_SENDER = (
    "No sender is alive: nothing is being sent. Accepted notifications are safe and wait. "
    "Start one with: manage.py run_sender"
)
NO_SCHEDULER = (
    "No scheduler is alive: retries, replays and the outbox stand still. "
    "Start a sender, which has one inside, or: manage.py run_scheduler"
)


@dataclass(frozen=True, slots=True)
class Sentence:
    text: str
    tone: str = "bad"  # or "odd": somebody should look at it, yet everything is sent
    link: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    answer: str
    tone: str  # "good", "odd" or "bad"
    sentences: list[Sentence]


def verdict(known: Known, channels: Sequence[ChannelRow], kafka: str | None, others: Iterable[Sentence]) -> Verdict:
    """Returns the answer. `kafka` is what keeps it from answering; `others` are sentences about letters and runs."""
    found = [*_workers(known), *_channels(channels), *_services(known, kafka), *_left(known), *others]
    if any(sentence.tone == "bad" for sentence in found):
        return Verdict("Not everything is well.", "bad", found)
    if found:
        return Verdict("Sending works. Somebody should look at this:", "odd", found)
    if not known.counted_before:
        return Verdict("All is well. Nothing was counted yet.", "good", [])
    return Verdict("All is well.", "good", [])


def failed_jobs(known: Known, links: Links) -> Iterator[Sentence]:
    """Yields a sentence for each kind of job that has failed."""
    for kind, states in (known.counted(Standing.Name.JOBS) or {}).items():
        if states.get(Job.State.FAILED):
            yield Sentence(f"A job has failed: {kind}.", "odd", links.to("notifications_job"))


def paused(known: Known, links: Links) -> Iterator[Sentence]:
    """Yields a sentence for each pause in force. Whoever may not open its page reads it all the same."""
    for pause in known.pauses:
        tone = "bad" if pause.kind in (PauseKind.PLATFORM, PauseKind.CHANNEL) else "odd"
        sentence = f"{in_a_sentence(pause, known.now, pause.reason)}."
        yield Sentence(sentence, tone, links.to_one("notifications_pause", pause.pk))


def _workers(known: Known) -> Iterator[Sentence]:
    if not known.senders():
        yield Sentence(NO_SENDER)
    if not known.has_scheduler():
        yield Sentence(NO_SCHEDULER)


def _channels(channels: Sequence[ChannelRow]) -> Iterator[Sentence]:
    for row in channels:
        if row.state.sentence:
            yield Sentence(row.state.sentence, row.state.tone)


def _services(known: Known, kafka: str | None) -> Iterator[Sentence]:
    if kafka:
        yield Sentence(f"Kafka does not answer: {kafka}")
    if known.read_only:
        yield Sentence("The database answers, but takes no writes: nothing can be claimed or settled until it does.")


def _left(known: Known) -> Iterator[Sentence]:
    if known.has_scheduler() and known.counted(Standing.Name.WAITING) is None:
        last = known.standings.get(Standing.Name.WAITING)
        when = f"the last count was made {at(last.as_of, known.now)}" if last else "nothing was counted yet"
        yield Sentence(f"How many notifications wait is not known: {when}.", "odd")
    overdue = float((known.counted(Standing.Name.OUTBOX) or {}).get("overdue", 0.0))
    if overdue > LONGEST_OVERDUE:
        minutes = int(overdue // 60)
        yield Sentence(f"The schedulers do not keep up: a notification has been due for {minutes:,} min.", "odd")
