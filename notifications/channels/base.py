"""What a channel is, and what it reads of a notification.

A channel is one file of this package and one line in `settings.CHANNELS`. It knows what a receiver looks
like, how to hand a notification to its provider, and what each of the provider's answers means; nobody else
classifies answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol, Self
from uuid import UUID


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
