"""The route of a channel: its providers in the order in which they are asked, each with a breaker of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, cast

from notifications.channels.base import AsyncProvider, Provider
from notifications.channels.outcomes import Cause
from notifications.sending.breaker import Breaker

OnBreaker = Callable[[str, str, bool, Cause | None], None]  # channel, provider, is open, why


class Choice(NamedTuple):
    """One send that a provider's breaker admitted. Either `note` or `withdraw` ends it, once."""

    provider: Provider
    breaker: Breaker
    ticket: int

    @property
    def name(self) -> str:
        return self.provider.name

    @property
    def on_loop(self) -> AsyncProvider:
        """The provider, where no provider of the route needs threads."""
        return cast("AsyncProvider", self.provider)

    def note(self, receiver: str, cause: Cause | None, rest: float | None) -> None:
        """Tells the breaker how the send ended; the meaning of `cause` and `rest` is `Breaker.note`'s."""
        self.breaker.note(self.ticket, receiver, cause, rest)

    def withdraw(self) -> None:
        """Tells the breaker that the send was not handed over after all."""
        self.breaker.withdraw(self.ticket)


class Route:
    """Chooses the provider of each send: the first that is not paused and whose breaker admits it. Thread-safe.

    A provider that is down gets its probes as the first of the order, so sends return to it when it works again.
    """

    def __init__(
        self,
        channel: str,
        providers: Sequence[Provider],
        on_breaker: OnBreaker,
        clock: Callable[[], float] = time.monotonic,
        *,
        is_paused: Callable[[str], object] = lambda _name: False,
    ) -> None:
        """`on_breaker` is called at each opening and closing of a provider's breaker.

        `is_paused` says by its name whether a provider is paused by hand, so that it is passed over.
        """
        self.channel = channel
        self._is_paused = is_paused
        self._ways = [(provider, Breaker(clock, partial(on_breaker, channel, provider.name))) for provider in providers]

    def choose(self) -> Choice | None:
        """Returns the first provider that admits a send now, or None where none does."""
        for provider, breaker in self._ways:
            if not self._is_paused(provider.name) and (ticket := breaker.admit()):
                return Choice(provider, breaker, ticket)
        return None

    def admits(self) -> int:
        """Returns how many more sends the providers together admit now."""
        return sum(breaker.admits() for _, breaker in self._open_ways())

    def rest(self) -> float:
        """Returns the seconds that a send waits which no provider admits because each asked us to slow down.

        Returns 0.0 where one of them is down instead: it is asked again soon, whatever the others want.
        """
        return min((breaker.rest_of() for _, breaker in self._open_ways()), default=0.0)

    @property
    def names(self) -> list[str]:
        """Returns the names of its providers, in order."""
        return [provider.name for provider, _ in self._ways]

    def _open_ways(self) -> Iterator[tuple[Provider, Breaker]]:
        return ((provider, breaker) for provider, breaker in self._ways if not self._is_paused(provider.name))

    @property
    def needs_threads(self) -> bool:
        """Returns whether a provider of the route blocks while it sends."""
        return not all(isinstance(provider, AsyncProvider) for provider, _ in self._ways)

    def close(self) -> None:
        """Closes the calling thread's connections to all providers."""
        for provider, _ in self._ways:
            provider.close()

    async def aclose(self) -> None:
        """Closes the running loop's connections to all providers, none of which needs threads."""
        for provider, _ in self._ways:
            if isinstance(provider, AsyncProvider):
                await provider.aclose()
