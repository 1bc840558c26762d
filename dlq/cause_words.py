"""What lists call a cause: two or three words in place of its code."""

from __future__ import annotations

from notifications.channels.outcomes import Cause

WORDS: dict[Cause, str] = {
    Cause.INVALID_RECEIVER: "not an address",
    Cause.UNKNOWN_RECEIVER: "nobody at this address",
    Cause.MAILBOX_FULL: "mailbox full",
    Cause.REJECTED_CONTENT: "text refused",
    Cause.OPTED_OUT: "receiver opted out",
    Cause.THROTTLED: "asked to slow down",
    Cause.CREDENTIALS: "our account refused",
    Cause.PROVIDER_ERROR: "error at the provider",
    Cause.PROVIDER_OUTAGE: "provider was down",
    Cause.CONNECTION: "no connection",
    Cause.TIMEOUT: "no answer in time",
    Cause.OUTCOME_UNKNOWN: "outcome unknown",
    Cause.LEASE_EXPIRED: "sender stopped halfway",
    Cause.UNDECODABLE: "record not readable",
    Cause.REFUSED_BY_DATABASE: "refused by the database",
    Cause.REFUSED_BY_KAFKA: "refused by Kafka",
    Cause.BUG: "error in our code",
}


def in_words(cause: str) -> str:
    """Returns the words of a cause as it stands in the database; the cause itself where it is none we know."""
    try:
        return WORDS[Cause(cause)]
    except ValueError:
        return cause
