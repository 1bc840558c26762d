"""What a channel is, the error it raises, and where the registered ones are found.

A channel is one file of this package and one line in `settings.CHANNELS`. It knows what a receiver looks
like, how to hand a notification to its provider, and what each of the provider's answers means; nobody else
classifies answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import ClassVar, Protocol, Self
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from notifications.channels.outcomes import About, Cause, Outcome

SANDBOX = "notifications.channels.sandbox.Sandbox"

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


class Outgoing(Protocol):
    """What a channel reads of a claimed notification."""

    @property
    def id(self) -> UUID: ...
    @property
    def receiver(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def html(self) -> str: ...


class SendError(Exception):
    """A send that did not simply succeed. Transient unless it says otherwise.

    `about` says who is to blame and whose a wait is. An answer about the receiver or the text says that the
    provider works, so only the others count for its breaker. `permanent`: trying again cannot help; ValueError
    where the answer is about something else than the receiver or the text, which a person can mend for all of them.
    `retry_after`: seconds the provider asked us to wait; with cause `throttled` it spends no retry.
    `uncertain`: the request was handed over and its answer never came.
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

    @property
    def outcome(self) -> Outcome:
        if self.uncertain:
            return Outcome.UNCERTAIN
        if self.permanent:
            return Outcome.PERMANENT
        return Outcome.THROTTLED if self.cause is Cause.THROTTLED else Outcome.TRANSIENT


class Channel(ABC):
    """Rules for receivers (class methods, no I/O, no credentials) and the sending (an instance)."""

    name: ClassVar[str]
    max_message: ClassVar[str]  # what the 400 says, such as "1,600 characters"
    takes_subject: ClassVar[bool] = False
    takes_html: ClassVar[bool] = False

    provider: str  # names who delivers, such as "smtp" or "twilio": the breaker and the ledger keep it

    @classmethod
    @abstractmethod
    def from_settings(cls) -> Self:
        """A channel ready to send. ImproperlyConfigured, with a sentence that names the missing variable."""

    @classmethod
    @abstractmethod
    def receiver_problem(cls, receiver: str) -> str | None:
        """Why this cannot be a receiver of the channel, as a sentence for the 400, or None."""

    @classmethod
    def intake_problem(cls, _receiver: str) -> str | None:
        """Why this site takes nothing for a valid receiver, as a sentence for the 400, or None.

        Asked at the intake alone: what was accepted under other settings is still sent.
        """
        return None

    @classmethod
    @abstractmethod
    def canonical(cls, receiver: str) -> str:
        """The one spelling of a valid receiver by which equal receivers are known (E.164, lower-cased domain)."""

    @classmethod
    @abstractmethod
    def too_long(cls, text: str) -> bool:
        """Whether a message (or html) is over the channel's limit."""

    @classmethod
    @abstractmethod
    def mask(cls, receiver: str) -> str:
        """The receiver as lists may show it."""

    @abstractmethod
    def send(self, notification: Outgoing) -> str:
        """Hand over; the provider's message id ("" where it gives none). Raises SendError; called by many threads."""

    def close(self) -> None:
        """Close the calling thread's connections."""


@cache
def channel_class(name: str) -> type[Channel]:
    """The registered channel class of that name; KeyError where there is none."""
    found: type[Channel] = import_string(settings.CHANNELS[name])
    return found


def masked(channel: str, receiver: str) -> str:
    """A receiver as lists may show it; a channel that is no longer registered shows nothing of it."""
    try:
        return channel_class(channel).mask(receiver)
    except KeyError:
        return "…"


def channel_names() -> list[str]:
    return list(settings.CHANNELS)


def channel_choices() -> list[tuple[str, str]]:
    """Django's choices, as a callable so that a new channel needs no migration."""
    return [(name, name) for name in settings.CHANNELS]


def open_channel(name: str) -> Channel:
    """The channel ready to send, or the sandbox where it has no credentials and the sandbox is allowed."""
    try:
        return channel_class(name).from_settings()
    except ImproperlyConfigured:
        if not settings.SANDBOX_ALLOWED:
            raise
        sandbox: Channel = import_string(SANDBOX).of(name)
        return sandbox
