"""The client for asyncio: the same calls, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Self, TypeVar, Unpack
from uuid import UUID

import httpx

from notifications_client.calls import Calls
from notifications_client.people import (
    ExplainQuery,
    Foretold,
    Preferences,
    PreferencesChange,
    Suppression,
    SuppressionEntry,
    SuppressionPage,
    SuppressionQuery,
)
from notifications_client.retrying import BROKEN, Flow, Outcome
from notifications_client.types import (
    Accepted,
    Cancelled,
    Notification,
    NotificationDetail,
    NotificationRow,
    Page,
    Query,
    Result,
)

T = TypeVar("T")


class AsyncClient:
    """Keep one for your event loop: it keeps connections open. Close it, or use `async with`."""

    def __init__(self, url: str, api_key: str = "", *, deadline: float = 60.0, timeout: float = 10.0) -> None:
        """`deadline`: seconds a call may take with all its repetitions; `timeout`: for each step of one try."""
        self._calls = Calls(url.rstrip("/"), api_key.strip(), deadline, timeout)
        self._http = httpx.AsyncClient()

    async def send(self, notification: Notification) -> Accepted:
        """Hands over a notification. Returns its id. Raises ApiError where it is refused, and Unavailable."""
        return await self._run(self._calls.send(notification))

    async def send_many(self, notifications: Iterable[Notification]) -> list[Result]:
        """Hands over any number. Returns a result for each, in order; raises nothing that the platform answers.

        They travel in parts of up to 5,000 notifications or 5 MiB, each part with a deadline of its own.
        """
        return await self._run(self._calls.send_many(notifications))

    async def read(self, id: UUID | str) -> NotificationDetail:
        """Returns where a notification stands. Raises NotFound, other ApiErrors, and Unavailable."""
        return await self._run(self._calls.read(id))

    async def cancel(self, id: UUID | str) -> Cancelled:
        """Cancels a notification, at once and for good. Raises TooLate, NotFound, other ApiErrors, and Unavailable."""
        return await self._run(self._calls.cancel(id))

    async def list_page(self, **query: Unpack[Query]) -> Page:
        """Returns a page of the notifications of this client, newest first. Raises ApiError and Unavailable."""
        return await self._run(self._calls.list_page({**query}))

    async def list_all(self, **query: Unpack[Query]) -> AsyncIterator[NotificationRow]:
        """Yields all that match, newest first, page by page. Raises ApiError and Unavailable."""
        while True:
            page = await self.list_page(**query)
            for row in page.results:
                yield row
            if page.next is None:
                return
            query["cursor"] = page.next

    async def read_preferences(self, username: str) -> Preferences:
        """Returns what a person chose. Raises NotFound, other ApiErrors, and Unavailable."""
        return await self._run(self._calls.read_preferences(username))

    async def change_preferences(self, username: str, **changes: Unpack[PreferencesChange]) -> Preferences:
        """Changes what is given. Returns all of it as it is now. Raises NotFound, other ApiErrors, and Unavailable."""
        return await self._run(self._calls.change_preferences(username, {**changes}))

    async def link_preferences(self, username: str) -> str:
        """Returns the address of a person's own page: give it to them alone. Raises ApiError and Unavailable."""
        return await self._run(self._calls.link_preferences(username))

    async def explain(self, **query: Unpack[ExplainQuery]) -> Foretold:
        """Returns what would become of a notification for somebody. Raises ApiError and Unavailable."""
        return await self._run(self._calls.explain({**query}))

    async def list_suppressions(self, **query: Unpack[SuppressionQuery]) -> SuppressionPage:
        """Returns a page of the addresses that get nothing, newest first. Raises ApiError and Unavailable."""
        return await self._run(self._calls.list_suppressions({**query}))

    async def suppress(self, **named: Unpack[SuppressionEntry]) -> Suppression:
        """Has nothing sent to an address from now on. Raises ApiError and Unavailable."""
        return await self._run(self._calls.suppress({**named}))

    async def lift_suppression(self, **named: Unpack[SuppressionEntry]) -> None:
        """Has an address written to again. Raises NotFound where there is none, other ApiErrors, and Unavailable.

        NotFound can also mean that it was lifted, and the answer to an earlier try was lost.
        """
        return await self._run(self._calls.lift_suppression({**named}))

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        try:
            step = next(flow)
            while True:
                step = flow.send(await self._do(step))
        except StopIteration as end:
            value: T = end.value
            return value

    async def _do(self, step: httpx.Request | float) -> Outcome:
        if not isinstance(step, httpx.Request):
            await asyncio.sleep(step)
            return None
        try:
            return await self._http.send(step)
        except BROKEN as error:
            return error
