"""The closed lists of words: where a notification stands, why it waits, where a record comes from, what staff do.

What a status or a reason means stands beside its word, as data: the statements of the ledger, the partial index of the
rare ones, the admin, the balance and the dead letters read it with `statuses` and `reasons`. So a new word is one line
here, and a migration where it is a rare status.
"""

from __future__ import annotations

from enum import Flag, StrEnum, auto
from functools import cache
from typing import Final, Literal, Self

Priority = Literal["transactional", "bulk"]
PRIORITIES: tuple[Priority, ...] = ("transactional", "bulk")


class Is(Flag):
    """What can be true of a status."""

    FINAL = auto()  # it is an end; only a person moves it from there
    DUE = auto()  # it has a due time, when the scheduler takes it
    MAY_BE_GIVEN_UP = auto()  # it ends as dead once it was put off for OUTAGE_PATIENCE
    MAY_BE_CANCELLED = auto()  # nobody has begun to send it, so its client may still cancel it
    MAY_BE_SENT = auto()  # a success is true whenever it arrives, and settles it still
    STOPPED = auto()  # it has a dead letter, and a person decides
    REPLAYABLE = auto()  # a person may send it again
    RARE = auto()  # neither delivered nor on its way: few rows at any time, for which people look; listed


class Status(StrEnum):
    """Where a notification stands: the word, its colour in the admin, and what is true of it."""

    tone: str
    traits: Is

    def __new__(cls, word: str, tone: str = "", traits: Is | None = None) -> Self:
        status = str.__new__(cls, word)
        status._value_ = word
        status.tone = tone
        status.traits = traits or Is(0)
        return status

    ACCEPTED = "accepted", "info", Is.DUE | Is.MAY_BE_CANCELLED | Is.RARE  # in the outbox: durable, not yet published
    QUEUED = "queued", "info", Is.MAY_BE_GIVEN_UP | Is.MAY_BE_CANCELLED | Is.MAY_BE_SENT
    SENDING = "sending", "info", Is.MAY_BE_SENT
    WAITING = "waiting", "warning", Is.DUE | Is.MAY_BE_GIVEN_UP | Is.MAY_BE_CANCELLED | Is.MAY_BE_SENT | Is.RARE
    SENT = "sent", "success", Is.FINAL
    HELD = "held", "warning", Is.FINAL | Is.MAY_BE_SENT | Is.STOPPED | Is.REPLAYABLE | Is.RARE
    DEAD = "dead", "danger", Is.FINAL | Is.MAY_BE_SENT | Is.STOPPED | Is.REPLAYABLE | Is.RARE
    EXPIRED = "expired", "danger", Is.FINAL | Is.REPLAYABLE | Is.RARE  # replayable: it may have a dead letter
    SUPPRESSED = "suppressed", "danger", Is.FINAL  # its reason is one of SuppressedFor
    CANCELLED = "cancelled", "info", Is.FINAL
    DIGESTED = "digested", "success", Is.FINAL  # went out with others, in a digest


class Waits(Flag):
    """What can be true of a reason."""

    ON_PURPOSE = auto()  # somebody wants it to wait: it is not given up, and is no sign of trouble, however long it is


# For what is asked several times of each notification: Python 3.11 takes 0.13 µs to find a member in its enum.
SENT: Final = Status.SENT


class Reason(StrEnum):
    """Why a notification is waiting: the word, and what is true of it."""

    traits: Waits

    def __new__(cls, word: str, traits: Waits | None = None) -> Self:
        reason = str.__new__(cls, word)
        reason._value_ = word
        reason.traits = traits or Waits(0)
        return reason

    RETRY = "retry"
    THROTTLED = "throttled"
    OUTAGE = "outage"
    PARKED = "parked"
    UNCERTAIN = "uncertain"
    HANDED_BACK = "handed-back"
    REPLAY = "replay"
    SCHEDULED = "scheduled", Waits.ON_PURPOSE  # until its send_at
    STOPPED = "stopped", Waits.ON_PURPOSE  # by hand: see PauseKind
    PAUSED = "paused", Waits.ON_PURPOSE  # by the person, for a time
    QUIET = "quiet", Waits.ON_PURPOSE
    CAPPED = "capped", Waits.ON_PURPOSE
    DIGEST = "digest", Waits.ON_PURPOSE


class SuppressedFor(StrEnum):
    """Why a notification was suppressed. All but the last three are of its address, and of a Suppression's row."""

    BOUNCED = "bounced"
    COMPLAINED = "complained"
    STOP = "stop"  # the answer to a text
    UNSUBSCRIBED = "unsubscribed"  # where we know no person, but only the address
    GONE = "gone"  # the account or the channel is no more
    ERASED = "erased"
    BY_STAFF = "by-staff"
    CHOICE = "choice"  # the person has switched it off
    NOT_CHOSEN = "not-chosen"  # it is off unless they switch it on
    CAP = "cap"  # of 0


class CategoryKind(StrEnum):
    """What class a category is of; what people can choose follows from it."""

    MANDATORY = "mandatory"  # sent at once, whatever they chose
    TRANSACTIONAL = "transactional"
    PROMOTIONAL = "promotional"  # nobody gets it who has not switched it on


class DigestState(StrEnum):
    """Where a digest stands."""

    OPEN = "open"  # others may join it
    CLOSING = "closing"  # nobody joins it any more, and nothing has gone out for it yet
    CLOSED = "closed"  # its notification is on its way
    ENDED = "ended"  # each of its members has come to its end, or goes its own way


class Late(StrEnum):
    """What becomes of a notification that its person's quiet hours would keep until it expires."""

    SEND = "send"
    EXPIRE = "expire"


class Overflow(StrEnum):
    """What becomes of a notification that is over a cap."""

    WAIT = "wait"  # for the next free place
    DIGEST = "digest"


class Origin(StrEnum):
    """Who published a record: its header `origin`."""

    INTAKE = "intake"
    OUTBOX = "outbox"
    RETRY = "retry"
    REPLAY = "replay"
    DLQ = "dlq"


class WorkerKind(StrEnum):
    SENDER = "sender"
    SCHEDULER = "scheduler"


class PauseKind(StrEnum):
    """What staff pause, and how a sentence begins that names one. A pause of the platform is its read-only mode."""

    in_words: str

    def __new__(cls, word: str, in_words: str = "") -> Self:
        kind = str.__new__(cls, word)
        kind._value_ = word
        kind.in_words = in_words
        return kind

    CHANNEL = "channel", "The channel"
    PROVIDER = "provider", "The provider"
    CATEGORY = "category", "The category"
    CLIENT = "client", "The client"
    PLATFORM = "platform", "The platform"


class BreakerState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


class Happened(StrEnum):
    """What the minutes count (models.Minute)."""

    ACCEPTED = "accepted"
    SENT = "sent"
    FAILED = "failed"  # an attempt, to be tried again
    DEAD = "dead"
    HELD = "held"
    EXPIRED = "expired"


class LetterEvent(StrEnum):
    """What happened to a dead letter: the word that the dlq topic carries."""

    DEAD = "dead"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


class StaffVerb(StrEnum):
    """What staff do, as the record of their actions names it, and how it goes on behind a person's name."""

    in_words: str

    def __new__(cls, word: str, in_words: str = "") -> Self:
        verb = str.__new__(cls, word)
        verb._value_ = word
        verb.in_words = in_words or word
        return verb

    REPLAY = "replay", "replayed it"
    DISCARD = "discard", "discarded it"
    REPAIR = "repair", "corrected it"
    REDIRECT = "redirect", "changed its receiver"
    REVEAL = "reveal", "had it shown"
    MEND = "mend", "corrected it with many others"
    MEND_DEVICE = "mend-device", "corrected a device"
    MARK_SENT = "mark-sent", "marked it as sent"
    EXPORT = "export", "downloaded it"
    TRY_NOW = "try-now", "made it due at once"
    TAKE = "take", "took it on"
    LEAVE = "leave", "gave it back"
    MARK_KNOWN = "mark-known", "marked it as known"
    MARK_FIXED = "mark-fixed", "marked it as fixed"
    IGNORE = "ignore", "ignores it"
    WATCH = "watch", "watches it again"
    ANNOTATE = "annotate", "changed its note"
    PAUSE_JOB = "pause-job", "paused it"
    RESUME_JOB = "resume-job", "resumed it"
    CANCEL_JOB = "cancel-job", "cancelled it"
    PAUSE = "pause", "paused it"
    RESUME = "resume", "resumed it"
    APPROVE_RUN = "approve-run", "approved it"
    REFUSE_RUN = "refuse-run", "refused it"
    PAUSE_RUN = "pause-run", "paused it"
    RESUME_RUN = "resume-run", "resumed it"
    STOP_RUN = "stop-run", "stopped it"
    ISSUE_KEY = "issue", "made the key"
    REVOKE_KEY = "revoke", "revoked the key"
    SET_LIMITS = "set-limits", "set its limits"
    SET_CATEGORY = "set-category", "changed the category"
    DELETE_CATEGORY = "delete-category", "deleted the category"
    SET_DEVICE = "set-device", "changed the device"
    DELETE_DEVICE = "delete-device", "deleted the device"
    SET_ACCOUNT = "set-account", "changed the account"
    LET_IN_ANEW = "let-in-anew", "set a new password"
    DELETE_ACCOUNT = "delete-account", "deleted the account"
    SET_GROUP = "set-group", "changed the group"
    PUT_USER = "put-user", "changed the person"
    DELETE_USER = "delete-user", "deleted the person"
    SET_CHOICES = "set-choices", "changed what the person chose"
    EXPORT_USER = "export-user", "exported all about the person"
    FORGET_USER = "forget-user", "had a person erased"
    SUPPRESS = "suppress", "suppressed the address"
    LIFT = "lift", "lifted the suppression"
    SET_UP_FACTOR = "set-up", "set it up"
    REMOVE_FACTOR = "remove", "removed it"


# The scheduler publishes what the ledger has. Whatever else is published may be new to it.
FROM_LEDGER = frozenset({Origin.OUTBOX, Origin.RETRY, Origin.REPLAY})


TAKEN = "taken"  # how a queued row is listed while a scheduler leases it, to publish it


def listed(status: Status, *, leased: bool = False) -> str | None:
    """Returns the word by which the ledger's indexes find a row of this status; None where no index has it.

    It is the same for a row that is being sent and one that is sent: so the one update that each row gets touches no
    index (docs/adr/0032).
    """
    if status is Status.QUEUED:
        return TAKEN if leased else status.value
    return status.value if Is.RARE in status.traits else None


def standing(status: Status, *, leased: bool = False) -> dict[str, str | None]:
    """Returns the two columns that say where a row stands. Whoever writes one of them writes both."""
    return {"status": status.value, "listed": listed(status, leased=leased)}


@cache
def statuses(trait: Is) -> tuple[Status, ...]:
    """Returns the statuses of which `trait` is true."""
    return tuple(status for status in Status if trait in status.traits)


@cache
def reasons(trait: Waits) -> tuple[Reason, ...]:
    """Returns the reasons of which `trait` is true."""
    return tuple(reason for reason in Reason if trait in reason.traits)
