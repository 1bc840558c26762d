"""What staff should do with a notification: pure functions of its situation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dlq.story.explanations import Step, explain
from dlq.story.situation import Situation, State
from notifications.channels.outcomes import Cause
from notifications.messages.words import Is, Reason, Status, statuses
from project.desk.moments import clock

TOMORROW = timedelta(hours=20)  # after which "try again tomorrow" has come
_OF_PROVIDER = frozenset({Cause.PROVIDER_ERROR, Cause.PROVIDER_OUTAGE, Cause.CONNECTION, Cause.TIMEOUT})


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, in sentences. `main` is the button that does it; the buttons in `also` do something else."""

    text: str
    main: Step | None = None
    also: tuple[Step, ...] = ()

    @property
    def steps(self) -> tuple[Step, ...]:
        """All buttons, the main one first."""
        return (*((self.main,) if self.main else ()), *self.also)


def advise(s: Situation) -> Advice:
    """Returns what to do now, with every step that is possible."""
    text, main = _decided(s) if s.state == State.OPEN else _nothing_to_decide(s)
    possible = possible_steps(s)
    main = main if main in possible else None
    return Advice(text, main, tuple(step for step in possible if step != main))


def possible_steps(s: Situation) -> tuple[Step, ...]:
    """Returns the verbs that this notification or letter can still have, in the order of their buttons."""
    if s.status == Status.WAITING:
        is_put_off = s.paused or s.reason in (Reason.SCHEDULED, Reason.DIGEST)  # it would be again
        return () if is_put_off else (Step.TRY_NOW,)
    if s.state != State.OPEN:
        return ()
    if not s.status:
        return (Step.CORRECT, Step.DISCARD)
    if s.status not in statuses(Is.REPLAYABLE):
        return ()
    held = (Step.MARK_SENT,) if s.status == Status.HELD else ()
    return (*held, Step.REPLAY, Step.REDIRECT, Step.EDIT, Step.DISCARD)


def _decided(s: Situation) -> tuple[str, Step | None]:
    """Advises about an open letter. The first rule that fits counts."""
    explained = explain(s.cause)
    if not s.status or s.status == Status.HELD:
        return explained.what_to_do, Step.CORRECT if not s.status else Step.MARK_SENT
    if s.has_expired:
        return _EXPIRED, Step.DISCARD
    if s.corrected_at:
        return "It was corrected: replay it.", Step.REPLAY
    if s.cause == Cause.OPTED_OUT:
        return explained.what_to_do, Step.DISCARD
    if s.repeats > 1:
        return f"{_AGAIN.format(times=s.repeats)} {explained.what_to_do}", Step.DISCARD
    if s.cause == Cause.MAILBOX_FULL:
        return _mailbox_full(s)
    if s.out_since and s.cause in _OF_PROVIDER:
        return f"{s.channel_in_words} is still out of order: replay it when it works again.", None
    return explained.what_to_do, explained.step


def _mailbox_full(s: Situation) -> tuple[str, Step | None]:
    tomorrow = s.failed_at + TOMORROW if s.failed_at else s.now
    if s.now >= tomorrow:
        return "That was a day ago, so try it again now. If it is urgent, reach the person another way.", Step.REPLAY
    moment = clock(tomorrow, s.now)
    return f"Try again tomorrow, not before {moment}. If it is urgent, reach the person another way.", None


def _nothing_to_decide(s: Situation) -> tuple[str, Step | None]:
    if s.paused and s.status in (Status.ACCEPTED, Status.QUEUED, Status.WAITING):
        return (
            "Nothing: it was paused on purpose. If it is urgent, ask who paused it, or reach the person another way.",
            None,
        )
    if s.status == Status.WAITING and s.reason == Reason.DIGEST:
        return "Nothing: it goes out with others.", None
    if s.status == Status.WAITING and s.reason == Reason.SCHEDULED:
        return "Nothing: it goes out by itself at its time. Only whoever asked for it can cancel it.", None
    if not s.served and s.status in (Status.WAITING, Status.QUEUED):
        return f"Tell whoever runs this site that no sender for {s.channel_in_words} is running.", None
    return _BY_STATUS.get(s.status, ""), None


_EXPIRED = (
    "Discard it, and ask the person to request a new one if they still need it: whoever sent it did not want it sent "
    "any more by now. A replay needs a new expiry; nobody can replay it where its category is sensitive."
)
_AGAIN = (
    "It has died {times} times of the same cause, so another replay will most likely end the same way. Discard it, "
    "unless something has changed since."
)
_BY_STATUS: dict[str, str] = {
    Status.ACCEPTED: "Nothing: it goes out by itself.",
    Status.QUEUED: "Nothing: it goes out by itself.",
    Status.SENDING: "Nothing: wait a moment, and load this page again.",
    Status.WAITING: "Nothing: it goes out by itself. “Try now” makes it due at once, for whoever knows that it works.",
    Status.SENT: "If the person does not find it: have them look among unwanted messages, and check the address. If it "
    "is not there, ask the main application to send a new one.",
    Status.EXPIRED: "Ask the person to request a new one, if they still need it.",
    Status.DEAD: "",
    Status.HELD: "",
    Status.CANCELLED: "Nothing: this was wanted.",
    Status.SUPPRESSED: "Nothing: this was wanted. If the person wants it now, their choices have to be changed first.",
    Status.DIGESTED: "Nothing: it went out with others.",
}
