"""Why a notification is kept back or suppressed, in words: for callers, the desk and the people themselves."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from notifications.messages.words import Reason, Status, SuppressedFor
from users.recipients.decide import Rule

# Behind "because", as well as alone as a sentence.
CLAUSES: dict[str, str] = {
    Reason.PAUSED: "the person has paused everything",
    Reason.QUIET: "it is quiet time where the person is",
    Reason.CAPPED: "the person has had as many as they get in this time",
    Reason.DIGEST: "it goes out together with others",
    SuppressedFor.BOUNCED: "mail to this address has come back for good",
    SuppressedFor.COMPLAINED: "the person has reported an earlier one as unwanted",
    SuppressedFor.STOP: "the person has answered STOP",
    SuppressedFor.UNSUBSCRIBED: "somebody at this address has unsubscribed",
    SuppressedFor.GONE: "the account or the channel behind this address is no more",
    SuppressedFor.ERASED: "the person of this address was erased",
    SuppressedFor.BY_STAFF: "staff have stopped what goes to this address",
    SuppressedFor.CHOICE: "the person has switched it off",
    SuppressedFor.NOT_CHOSEN: "nobody gets it who has not switched it on",
    SuppressedFor.CAP: "its limit is 0",
}
_OVER_CAP = f"{CLAUSES[Reason.CAPPED]}, so {CLAUSES[Reason.DIGEST]}"
_RULES: dict[str, Rule] = {
    Reason.PAUSED: Rule.PAUSED,
    Reason.QUIET: Rule.QUIET,
    Reason.CAPPED: Rule.CAP,
    Reason.DIGEST: Rule.DIGEST,
    SuppressedFor.CHOICE: Rule.CHOICE,
    SuppressedFor.NOT_CHOSEN: Rule.CHOICE,
    SuppressedFor.CAP: Rule.CAP,
}


class Explained(NamedTuple):
    """Which rule has decided, a sentence, and until when it waits, where it waits."""

    rule: Rule
    why: str
    until: datetime | None = None


def explained(status: str, reason: str, due_at: datetime | None) -> Explained | None:
    """Returns what has decided about a row of the ledger, or None where no rule keeps it from being sent."""
    if status not in (Status.WAITING, Status.SUPPRESSED) or reason not in CLAUSES:
        return None
    until = due_at if status == Status.WAITING else None
    return Explained(_RULES.get(reason, Rule.SUPPRESSED), sentence(reason), until)


def sentence(reason: str, rule: Rule | None = None) -> str:
    """Returns the clause of a reason as a sentence; of a digest, also why the rule of caps has it join one."""
    clause = _OVER_CAP if (reason, rule) == (Reason.DIGEST, Rule.CAP) else CLAUSES[reason]
    return f"{clause[0].upper()}{clause[1:]}."
