"""What a channel and a provider are.

A channel has the rules for receivers and texts. A provider sends a channel's notifications and says what each of
its answers means. A channel's route is the list of its providers in `settings.CHANNELS`, in the order in which they
are asked.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from functools import cached_property
from typing import ClassVar, Protocol, Self
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from notifications.channels.own_loop import OwnLoop


class Outgoing(Protocol):
    """What a provider reads of a claimed notification."""

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
    @property
    def traceparent(self) -> str:
        """Of W3C Trace Context, for a provider that is asked over HTTP."""

    @property
    def unsubscribe(self) -> str:
        """The address by which its reader unsubscribes; "" where there is none."""


class Channel(ABC):
    """Rules for receivers and texts. They are static methods without input, output or credentials."""

    name: ClassVar[str]
    in_words: ClassVar[str] = ""  # on pages, at the beginning of a sentence; the name where it is empty
    max_message: ClassVar[str]  # as the 400 names it, such as "1,600 characters"
    example: ClassVar[str] = ""  # a receiver for the examples of the API's description
    takes_subject: ClassVar[bool] = False
    takes_html: ClassVar[bool] = False
    takes_unsubscribe: ClassVar[bool] = False  # has a place for the address by which its reader unsubscribes

    @staticmethod
    @abstractmethod
    def receiver_problem(receiver: str, /) -> str | None:
        """Returns why this cannot be a receiver of the channel, as a sentence for the 400, or None."""

    @staticmethod
    def intake_problem(_receiver: str, /) -> str | None:
        """Returns why this site takes nothing for a valid receiver, as a sentence for the 400, or None.

        Asked at the intake alone: what was accepted under other settings is still sent.
        """
        return None

    @staticmethod
    @abstractmethod
    def canonical(receiver: str, /) -> str:
        """Returns the one spelling of a valid receiver by which equal ones are known (E.164, lower-cased domain)."""

    @staticmethod
    @abstractmethod
    def too_long(text: str, /) -> bool:
        """Returns whether a message (or html) is over the channel's limit."""

    @staticmethod
    @abstractmethod
    def mask(receiver: str, /) -> str:
        """Returns the receiver as lists may show it."""

    @staticmethod
    def domain(_receiver: str, /) -> str:
        """Returns the domain of the receiver in its one spelling; "" on a channel whose receivers have none."""
        return ""


class NotConfigured(ImproperlyConfigured):
    """A provider has no credentials here, so it is left out of its channel's route."""


class Provider(ABC):
    """Sends a channel's notifications. One object is used by many threads, each of which waits while it sends."""

    name: str  # such as "smtp" or "twilio": breaker, ledger and metrics keep it

    @classmethod
    def from_settings(cls) -> Self:
        """Returns a provider that is ready to send. A provider that `settings.CHANNELS` names must have this.

        Raises NotConfigured where its settings are not there, with a sentence that names them, and
        ImproperlyConfigured where they are wrong.
        """
        raise ImproperlyConfigured(f"{cls.__name__} cannot be made from settings, so CHANNELS must not name it.")

    @abstractmethod
    def send(self, notification: Outgoing) -> str:
        """Hands the notification over. Returns the provider's id of it, or "" where there is none.

        Raises SendError for every answer that is not a success: nobody else judges answers.
        """

    @abstractmethod
    def close(self) -> None:
        """Closes the calling thread's connections. The thread may send again afterwards."""

    def prove(self, timeout: float) -> None:
        """Logs in without sending anything. Does nothing for a provider that cannot be asked.

        Raises SendError where it refuses us or cannot be reached, and TimeoutError after so many seconds.
        """


class AsyncProvider(Provider):
    """A provider that waits for its answers as coroutines do: one thread has hundreds of its sends under way.

    `send` is for callers in threads: each thread runs a loop of its own while it waits.
    """

    @abstractmethod
    async def asend(self, notification: Outgoing) -> str:
        """Hands the notification over. Returns the provider's id of it, or "" where there is none.

        Raises SendError for every answer that is not a success: nobody else judges answers. Nothing in it may block.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Closes the running loop's connections. The loop may send again afterwards."""

    async def aprove(self) -> None:
        """Logs in without sending anything. Raises SendError where the provider refuses us or cannot be reached."""

    def prove(self, timeout: float) -> None:
        self._own_loop.run(asyncio.wait_for(self.aprove(), timeout))

    def send(self, notification: Outgoing) -> str:
        return self._own_loop.run(self.asend(notification))

    def close(self) -> None:
        self._own_loop.run(self.aclose())
        self._own_loop.close()

    @cached_property
    def _own_loop(self) -> OwnLoop:
        return OwnLoop()
