"""What pages write instead of the words of the database: causes, reasons, statuses and the states of letters."""

from __future__ import annotations

from notifications.channels.outcomes import Cause
from notifications.messages.words import Reason, Status, SuppressedFor

# Behind "it died because of" as well as alone in a list.
CAUSES: dict[Cause, str] = {
    Cause.INVALID_RECEIVER: "not an address",
    Cause.UNKNOWN_RECEIVER: "nobody at this address",
    Cause.MAILBOX_FULL: "mailbox full",
    Cause.REJECTED_CONTENT: "text refused",
    Cause.OPTED_OUT: "opted out",
    Cause.THROTTLED: "too many at once",
    Cause.CREDENTIALS: "our account was refused",
    Cause.PROVIDER_ERROR: "error at the provider",
    Cause.PROVIDER_OUTAGE: "provider out of order",
    Cause.CONNECTION: "provider not reached",
    Cause.TIMEOUT: "no answer in time",
    Cause.OUTCOME_UNKNOWN: "may have arrived",
    Cause.LEASE_EXPIRED: "sender stopped midway",
    Cause.UNDECODABLE: "record not readable",
    Cause.REFUSED_BY_DATABASE: "refused by the database",
    Cause.REFUSED_BY_KAFKA: "refused by Kafka",
    Cause.BUG: "error of our own",
}
REASONS: dict[Reason, str] = {
    Reason.RETRY: "will be tried again",
    Reason.THROTTLED: "the provider asked to slow down",
    Reason.OUTAGE: "the provider is out of order",
    Reason.PARKED: "the receiver has had too many",
    Reason.UNCERTAIN: "may have arrived, will be tried again",
    Reason.HANDED_BACK: "handed back by a sender that stopped",
    Reason.REPLAY: "replayed by a person",
    Reason.SCHEDULED: "scheduled for later",
    Reason.STOPPED: "paused by staff",
    Reason.PAUSED: "paused by the one who gets it",
    Reason.QUIET: "quiet hours",
    Reason.CAPPED: "they have had enough for now",
    Reason.DIGEST: "waits for a digest",
}
SUPPRESSED_FOR: dict[SuppressedFor, str] = {
    SuppressedFor.BOUNCED: "the address bounced",
    SuppressedFor.COMPLAINED: "reported as unwanted",
    SuppressedFor.STOP: "answered STOP",
    SuppressedFor.UNSUBSCRIBED: "unsubscribed",
    SuppressedFor.GONE: "account or channel is gone",
    SuppressedFor.ERASED: "the person was erased",
    SuppressedFor.BY_STAFF: "stopped by staff",
    SuppressedFor.CHOICE: "switched off by the person",
    SuppressedFor.NOT_CHOSEN: "not switched on",
    SuppressedFor.CAP: "a limit of 0",
}
STATUSES: dict[Status, str] = {
    Status.ACCEPTED: "accepted, not yet queued",
    Status.QUEUED: "queued",
    Status.SENDING: "being sent",
    Status.WAITING: "waiting",
    Status.SENT: "sent",
    Status.HELD: "held: did it arrive?",
    Status.DEAD: "not delivered",
    Status.EXPIRED: "expired",
    Status.SUPPRESSED: "suppressed",
    Status.CANCELLED: "cancelled",
    Status.DIGESTED: "sent in a digest",
}
LETTER_STATES = {
    "open": "open",
    "replaying": "being sent again",
    "resolved": "resolved",
    "discarded": "discarded",
}
_ALL: dict[str, dict[str, str]] = {
    "cause": {word.value: text for word, text in CAUSES.items()},
    "reason": {word.value: text for word, text in (REASONS | SUPPRESSED_FOR).items()},
    "status": {word.value: text for word, text in STATUSES.items()},
    "state": LETTER_STATES,
}


def in_words(kind: str, word: str) -> str:
    """Returns the words for a cause, reason, status or state as the database has it; an unknown word as it is."""
    return _ALL[kind].get(word, word)


def choices_in_words(kind: str) -> list[tuple[str, str]]:
    """Returns the words of a kind as the choices of a filter, by their text."""
    return sorted(_ALL[kind].items(), key=lambda choice: choice[1])
