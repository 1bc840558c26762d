"""The answer with which the page of a notification begins: pure functions of its situation."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from dlq.story.explanations import explain
from dlq.story.situation import Situation, State
from notifications.channels.outcomes import Cause
from notifications.messages.words import DigestState, Reason, StaffVerb, Status
from notifications.sending.breaker import LONGEST_PAUSE
from project.desk.moments import at, since
from users.recipients.sentences import CLAUSES

LONGEST_REASON = 200  # characters of a person's words, in a sentence


def answer(s: Situation) -> str:
    """Returns one or two sentences: where the notification stands, why, and what that means."""
    if not s.status:
        return _record(s)
    by_status = _BY_STATUS.get(s.status)
    words = by_status(s) if by_status else f"Its status is {s.status}."
    return f"{_replayed(s)}{words}" if s.state == State.REPLAYING else words


def next_step(s: Situation) -> str:
    """Returns what happens next by itself and when, or "" where nothing does."""
    if s.paused and s.status in (Status.ACCEPTED, Status.QUEUED, Status.WAITING):
        return "It goes out by itself when the pause is over." if s.paused_until else "It goes out when it is resumed."
    if s.status == Status.WAITING and not s.served:
        return "It goes out when a sender is started."
    if s.status == Status.WAITING and s.reason == Reason.DIGEST:
        return "It goes out with its digest."
    if s.status == Status.WAITING and s.due_at:
        verb = "it goes out" if s.reason == Reason.SCHEDULED else "it will be tried again"
        return f"{_next_try(s, verb=verb, upper=True)}."
    if s.status in (Status.ACCEPTED, Status.QUEUED):
        return "A sender takes it as soon as it can." if s.served else "It goes out when a sender is started."
    if s.status == Status.SENDING:
        return "The provider's answer settles it."
    return ""


def _record(s: Situation) -> str:
    """Answers for a record that never became a notification."""
    clause = explain(s.cause).clause
    match s.state:
        case State.RESOLVED:
            return f"Corrected{_by(s)}{_when(s.changed_at, s)}, and sent as a new notification."
        case State.DISCARDED:
            return f"Nothing was sent: {clause}.{_discarded(s)}"
    return f"Nothing was sent: {clause}{_when(s.died_at, s)}. A person has to correct or discard it."


def _accepted(s: Situation) -> str:
    return (
        f"Accepted{_when(s.accepted_at, s)} while Kafka did not answer. It is safe, and goes out by itself as soon as "
        "Kafka is back."
    )


def _queued(s: Situation) -> str:
    if s.paused:
        return _stopped(s)
    if s.out_since:
        again = f"a sender tries again at least every {LONGEST_PAUSE:.0f} seconds"
        return f"{_out_of_order(s)} This waits and goes out by itself; {again}."
    if not s.served:
        return f"No sender for {s.channel_in_words} is running. This waits, and goes out by itself when one is started."
    return f"Accepted{_when(s.accepted_at, s)}. A sender takes it within seconds, or when those before it are sent."


def _sending(_: Situation) -> str:
    return "A sender is handing it to the provider at this moment. Its result is known within a minute or two."


def _waiting(s: Situation) -> str:
    words = _BY_REASON.get(s.reason, _retry)(s)
    if s.paused and s.reason != Reason.STOPPED:
        return f"{words} But {s.paused}."
    if s.served:
        return words
    return f"{words} But no sender for {s.channel_in_words} is running: nothing goes out until one is started."


def _retry(s: Situation) -> str:
    if not s.cause:
        return f"Not sent yet. {_next_try(s, upper=True)}."
    clause = f"{explain(s.cause).clause} at the last try"
    if _ends_first(s):
        return f"Not sent yet: {clause}. {_next_try(s, upper=True)}."
    return f"Not sent yet. {_next_try(s, upper=True)}, because {clause}."


def _slowed(s: Situation) -> str:
    return f"Not sent yet: the provider asked us to slow down. {_next_try(s, upper=True)}."


def _outage(s: Situation) -> str:
    if s.out_since:
        begins = _out_of_order(s)
    elif s.cause == Cause.CREDENTIALS:
        begins = f"{s.channel_in_words} is out of order: {explain(s.cause).clause}."
    else:
        begins = f"{s.channel_in_words} was out of order at the last try."
    return f"{begins} This waits and goes out by itself; {_next_try(s, verb='the next try is')}."


def _folded(s: Situation) -> str:
    if s.digest == DigestState.CLOSED:
        return "Not sent yet: it is listed in a digest that is on its way. It ends when that does."
    return f"Not sent yet, because {CLAUSES[s.reason]}. {_next_try(s, verb='Its digest closes', upper=True)}."


def _kept_back(s: Situation) -> str:
    return f"Not sent yet, because {CLAUSES[s.reason]}. {_next_try(s, verb='It goes out', upper=True)}."


def _scheduled(s: Situation) -> str:
    return f"Not sent yet: {_next_try(s, verb='it is scheduled, and goes out')}."


def _stopped(s: Situation) -> str:
    if not s.paused:
        return (
            f"Not sent yet: it was paused by hand, and the pause is over. {_next_try(s, verb='It goes', upper=True)}."
        )
    ends = "when the pause is over" if s.paused_until else "when somebody resumes it"
    late = f" It expires {at(s.expires_at, s.now)}, and is not sent after that." if s.expires_at else ""
    return f"Not sent yet: {s.paused}. It waits, and goes out by itself {ends}.{late}"


def _parked(s: Situation) -> str:
    return (
        "Not sent yet: this receiver gets many notifications at the moment, so they go out one after the other. "
        f"{_next_try(s, verb='The next look at it is', upper=True)}."
    )


def _unsure(s: Situation) -> str:
    twice = "" if _ends_first(s) else ", so the person may get it twice"
    return f"Nobody knows whether the last try arrived: {explain(s.cause).clause}. {_next_try(s, upper=True)}{twice}."


def _handed_back(s: Situation) -> str:
    return f"Not sent yet: the sender that had it stopped before it handed it over. {_next_try(s, upper=True)}."


def _sent(s: Situation) -> str:
    if s.verb == StaffVerb.MARK_SENT:
        return f"It arrived: {s.by} marked it as sent{_when(s.changed_at or s.ended_at, s)}{_in_own_words(s)}."
    after = f", after {_tries(s)} that failed" if s.tries else ""
    if s.provider == "sandbox":
        return f"Kept by the sandbox{_when(s.ended_at, s)}{after}: nothing really left this machine."
    to = s.provider or "the provider"
    return f"Handed to {to}{_when(s.ended_at, s)}{after}; that is not yet the inbox."


def _held(s: Situation) -> str:
    return (
        f"Nobody knows whether it arrived: {explain(s.cause).clause}{_when(s.failed_at, s)}. It is not sent again "
        "until a person has decided."
    )


def _dead(s: Situation) -> str:
    clause = explain(s.cause).clause
    if s.state == State.DISCARDED:
        return f"Not delivered: {clause}.{_discarded(s)}"
    if s.corrected_at:
        return (
            f"Not delivered, as it was before {s.by or 'somebody'} corrected it {at(s.corrected_at, s.now)}. What it "
            "says and to whom it goes now has not been tried yet."
        )
    often = f" for the {_ordinal(s.repeats)} time in a row" if s.repeats > 1 else ""
    return f"Not delivered: {clause}{_when(s.failed_at, s)}{often}.{_may_have_arrived(s)}{_in_vain(s)}"


def _expired(s: Situation) -> str:
    moment = _when(s.expires_at or s.ended_at, s)
    if s.state == State.DISCARDED:
        return f"Not sent: it expired{moment}.{_discarded(s)}"
    if not s.tries or not s.cause:
        return f"Not sent: it expired{moment}, before it could be tried."
    last = f"at the last one {explain(s.cause).clause}"
    return f"Not sent: it expired{moment} after {_tries(s)}; {last}.{_may_have_arrived(s)}"


def _suppressed(s: Situation) -> str:
    why = CLAUSES.get(s.reason, "the person does not want it, or nothing may go to this address")
    return f"Not sent{_when(s.ended_at, s)}: {why}."


def _cancelled(s: Situation) -> str:
    return f"Not sent: it was cancelled{_when(s.ended_at, s)}, or its person was erased."


def _digested(s: Situation) -> str:
    return f"Sent{_when(s.ended_at, s)} as a part of a digest, together with others."


def _replayed(s: Situation) -> str:
    run = f" in run {s.run}" if s.run else ""
    stands = f", which is {s.run_state}" if s.run and s.run_state in ("asked", "paused") else ""
    return f"Replayed{_by(s)}{_when(s.changed_at, s)}{run}{stands}. "


def _replay_due(s: Situation) -> str:
    return f"{_next_try(s, verb='It is sent', upper=True)}."


def _out_of_order(s: Situation) -> str:
    return f"{s.channel_in_words} is out of order {since(s.out_since, s.now)}." if s.out_since else ""


def _next_try(s: Situation, *, verb: str = "it will be tried again", upper: bool = False) -> str:
    """Returns the words for the next try, such as "it will be tried again at 14:05"."""
    begins = verb[:1].upper() + verb[1:] if upper else verb
    if s.due_at is None:
        return f"{begins} as soon as possible"
    if _ends_first(s) and s.expires_at:
        return f"{'It' if upper else 'it'} expires {at(s.expires_at, s.now)}, before the next try"
    return f"{begins} within seconds" if s.due_at <= s.now else f"{begins} {at(s.due_at, s.now)}"


def _ends_first(s: Situation) -> bool:
    return bool(s.expires_at and s.due_at and s.expires_at <= s.due_at)


def _discarded(s: Situation) -> str:
    return f" It was discarded{_by(s)}{_when(s.changed_at, s)}{_in_own_words(s)}, and is not sent any more."


def _may_have_arrived(s: Situation) -> str:
    return " At one try the answer was lost, so it may have arrived all the same." if s.uncertain else ""


def _in_vain(s: Situation) -> str:
    if not (s.has_expired and s.expires_at):
        return ""
    return f" It expired {at(s.expires_at, s.now)}, so sending it again does not help."


def _in_own_words(s: Situation) -> str:
    words = s.why.strip()
    return f" (“{words[:LONGEST_REASON]}{'…' if len(words) > LONGEST_REASON else ''}”)" if words else ""


def _by(s: Situation) -> str:
    return f" by {s.by}" if s.by else ""


def _when(moment: datetime | None, s: Situation) -> str:
    return f" {at(moment, s.now)}" if moment else ""


def _tries(s: Situation) -> str:
    return "1 try" if s.tries == 1 else f"{s.tries:,} tries"


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number:,}{ending}"


_BY_STATUS: dict[str, Callable[[Situation], str]] = {
    Status.ACCEPTED: _accepted,
    Status.QUEUED: _queued,
    Status.SENDING: _sending,
    Status.WAITING: _waiting,
    Status.SENT: _sent,
    Status.HELD: _held,
    Status.DEAD: _dead,
    Status.EXPIRED: _expired,
    Status.SUPPRESSED: _suppressed,
    Status.CANCELLED: _cancelled,
    Status.DIGESTED: _digested,
}
_BY_REASON: dict[str, Callable[[Situation], str]] = {
    Reason.RETRY: _retry,
    Reason.THROTTLED: _slowed,
    Reason.OUTAGE: _outage,
    Reason.PARKED: _parked,
    Reason.UNCERTAIN: _unsure,
    Reason.HANDED_BACK: _handed_back,
    Reason.REPLAY: _replay_due,
    Reason.SCHEDULED: _scheduled,
    Reason.STOPPED: _stopped,
    **dict.fromkeys((Reason.PAUSED, Reason.QUIET, Reason.CAPPED), _kept_back),
    Reason.DIGEST: _folded,
}
