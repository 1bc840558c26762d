"""How an attempt ends, why it failed, and whom a provider's answer is about."""

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


class Outcome(StrEnum):
    """How an attempt ended, as its row in the ledger says."""

    TRANSIENT = "transient"
    PERMANENT = "permanent"
    THROTTLED = "throttled"
    UNCERTAIN = "uncertain"
