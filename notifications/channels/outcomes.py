"""How an attempt ends, why it failed, whom a provider's answer is about, and the error that says all three."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why an attempt failed, or why a notification is dead."""

    INVALID_RECEIVER = "invalid-receiver"
    UNKNOWN_RECEIVER = "unknown-receiver"
    MAILBOX_FULL = "mailbox-full"
    REJECTED_CONTENT = "rejected-content"
    OPTED_OUT = "opted-out"
    THROTTLED = "throttled"
    CREDENTIALS = "credentials"
    PROVIDER_ERROR = "provider-error"
    PROVIDER_OUTAGE = "provider-outage"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    OUTCOME_UNKNOWN = "outcome-unknown"
    LEASE_EXPIRED = "lease-expired"
    UNDECODABLE = "undecodable"
    REFUSED_BY_DATABASE = "refused-by-database"
    REFUSED_BY_KAFKA = "refused-by-kafka"
    BUG = "bug"


class About(StrEnum):
    """What a provider's answer is about. Only an answer about the receiver or the text may end a notification."""

    RECEIVER = "receiver"
    TEXT = "text"
    SENDER = "sender"  # our sender address or number
    ACCOUNT = "account"  # our credentials, our quota, our rights
    PROVIDER = "provider"


class Bounce(StrEnum):
    """What a failure says of the address for whatever is sent to it later. Nothing but these may suppress it."""

    HARD = "hard"  # nobody is there, for good
    SOFT = "soft"  # it may pass; of many it counts
    STOP = "stop"  # its owner wants no texts
    GONE = "gone"  # the account, the conversation or the webhook is no more


class Outcome(StrEnum):
    """How an attempt ended, as its row in the ledger says."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    THROTTLED = "throttled"
    UNCERTAIN = "uncertain"


# What a cause is about where the channel does not say otherwise; every other one is about the provider.
ABOUT = {
    Cause.INVALID_RECEIVER: About.RECEIVER,
    Cause.UNKNOWN_RECEIVER: About.RECEIVER,
    Cause.MAILBOX_FULL: About.RECEIVER,
    Cause.OPTED_OUT: About.RECEIVER,
    Cause.REJECTED_CONTENT: About.TEXT,
    Cause.BUG: About.TEXT,
    Cause.CREDENTIALS: About.ACCOUNT,
    Cause.THROTTLED: About.ACCOUNT,
}


class SendError(Exception):
    """A send that did not simply succeed. It is transient unless `permanent` or `uncertain` is set.

    `about` says who is to blame and whose a wait is. An answer about the receiver or the text says that the
    provider works, so only the others count for its breaker. `permanent`: trying again cannot help; ValueError
    where the answer is about something else than the receiver or the text, which a person can mend for all of them.
    `retry_after`: seconds the provider asked us to wait; with cause `throttled` it spends no retry.
    `uncertain`: the request was handed over and its answer never came.
    `bounce`: what it says of the address, if it says something that lasts.
    `detail` is for support staff: never a secret, never a receiver.
    """

    def __init__(
        self,
        cause: Cause,
        detail: str = "",
        *,
        about: About | None = None,
        permanent: bool = False,
        retry_after: float | None = None,
        uncertain: bool = False,
        bounce: Bounce | None = None,
    ) -> None:
        super().__init__(f"{cause}: {detail}")
        self.cause = cause
        self.detail = detail
        self.about = about or ABOUT.get(cause, About.PROVIDER)
        if permanent and self.about not in {About.RECEIVER, About.TEXT}:
            raise ValueError(f"{cause} about the {self.about} cannot be permanent.")
        self.permanent = permanent
        self.retry_after = retry_after
        self.uncertain = uncertain
        self.bounce = bounce

    @property
    def outcome(self) -> Outcome:
        if self.uncertain:
            return Outcome.UNCERTAIN
        if self.permanent:
            return Outcome.PERMANENT
        return Outcome.THROTTLED if self.cause is Cause.THROTTLED else Outcome.TRANSIENT
