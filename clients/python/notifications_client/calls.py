"""The calls of the API. Each is a flow (retrying.py) from what the caller gave to what the platform answered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import httpx

from notifications_client import wire
from notifications_client.errors import (
    InvalidRequest,
    NotificationsError,
    Problem,
    Unavailable,
    refusal,
    refusals_of_items,
)
from notifications_client.people import Foretold, Preferences, Suppression, SuppressionPage
from notifications_client.retrying import Flow, ask
from notifications_client.types import (
    Accepted,
    Attempt,
    Cancelled,
    Decision,
    Delivery,
    Notification,
    NotificationDetail,
    NotificationRow,
    Page,
    Result,
)


@dataclass(frozen=True)
class Calls:
    """Where the platform is, and how long to try: `deadline` and `timeout` in seconds, see retrying.ask."""

    url: str
    api_key: str
    deadline: float
    timeout: float

    def send(self, notification: Notification) -> Flow[Accepted]:
        """POST /notification. Raises ApiError, and Unavailable with the idempotency key."""
        key = str(wire.with_key(notification).idempotency_key)
        if not (key.isascii() and key.isprintable()):  # else it could not travel in a header
            raise InvalidRequest(400, (Problem("idempotency_key", "Must hold printable ASCII characters only."),))
        body = wire.as_json(replace(notification, idempotency_key=None))
        try:
            answer = yield from self._ask("POST", "/notification", body, {"Idempotency-Key": key})
        except Unavailable as error:
            error.idempotency_key = key
            raise
        return wire.accepted(wire.content_of(answer, 202))

    def send_many(self, notifications: Iterable[Notification]) -> Flow[list[Result]]:
        """POST /notifications, as often as its limits ask for. Returns a result for each notification, in order.

        After a part that is not answered, or is refused as a whole, the others are not tried: they would take as
        long, or be refused as well. Their results have the same error.
        """
        results: list[Result] = []
        stopped: NotificationsError | None = None
        for part in wire.parts(wire.with_key(notification) for notification in notifications):
            if stopped is None:
                of_part, stopped = yield from self._send_part(part)
            else:
                of_part = [Result(notification, error=stopped) for notification, _ in part]
            results += of_part
        return results

    def read(self, id: UUID | str) -> Flow[NotificationDetail]:
        """GET /notification/<id>. Raises ApiError and Unavailable."""
        answer = yield from self._ask("GET", f"/notification/{UUID(str(id))}")
        found = wire.content_of(answer, 200)
        attempts = tuple(wire.read_as(Attempt, attempt) for attempt in found["attempts"])
        decision = wire.read_as(Decision, found["decision"]) if found.get("decision") else None
        delivery = wire.read_as(Delivery, found["delivery"]) if found.get("delivery") else None
        return wire.read_as(
            NotificationDetail, found | {"attempts": attempts, "decision": decision, "delivery": delivery}
        )

    def cancel(self, id: UUID | str) -> Flow[Cancelled]:
        """DELETE /notification/<id>. Raises TooLate, other ApiErrors, and Unavailable."""
        answer = yield from self._ask("DELETE", f"/notification/{UUID(str(id))}")
        cancelled = wire.content_of(answer, 200)
        return Cancelled(UUID(cancelled["id"]), cancelled["status"])

    def list_page(self, filters: dict[str, Any]) -> Flow[Page]:
        """GET /notifications. Raises ApiError and Unavailable."""
        answer = yield from self._ask("GET", f"/notifications?{wire.query_of(filters)}")
        found = wire.content_of(answer, 200)
        rows = tuple(wire.read_as(NotificationRow, row) for row in found["results"])
        return Page(wire.cursor_in(found["next"]), wire.cursor_in(found["previous"]), rows)

    def read_preferences(self, username: str) -> Flow[Preferences]:
        """GET /users/<username>/preferences. Raises ApiError and Unavailable."""
        answer = yield from self._ask("GET", wire.path_of(username, "preferences"))
        return wire.preferences_in(wire.content_of(answer, 200))

    def change_preferences(self, username: str, changes: dict[str, Any]) -> Flow[Preferences]:
        """PATCH /users/<username>/preferences. Raises ApiError and Unavailable."""
        answer = yield from self._ask("PATCH", wire.path_of(username, "preferences"), wire.body_of(changes))
        return wire.preferences_in(wire.content_of(answer, 200))

    def link_preferences(self, username: str) -> Flow[str]:
        """POST /users/<username>/preferences/link. Raises ApiError and Unavailable."""
        answer = yield from self._ask("POST", wire.path_of(username, "preferences/link"))
        return str(wire.content_of(answer, 200)["url"])

    def explain(self, query: dict[str, Any]) -> Flow[Foretold]:
        """GET /explain. Raises ApiError and Unavailable."""
        answer = yield from self._ask("GET", f"/explain?{wire.query_of(query)}")
        return wire.read_as(Foretold, wire.content_of(answer, 200))

    def list_suppressions(self, query: dict[str, Any]) -> Flow[SuppressionPage]:
        """GET /suppressions. Raises ApiError and Unavailable."""
        answer = yield from self._ask("GET", f"/suppressions?{wire.query_of(query)}")
        found = wire.content_of(answer, 200)
        rows = tuple(wire.read_as(Suppression, row) for row in found["results"])
        return SuppressionPage(wire.cursor_in(found["next"]), wire.cursor_in(found["previous"]), rows)

    def suppress(self, named: dict[str, Any]) -> Flow[Suppression]:
        """PUT /suppressions. Raises ApiError and Unavailable."""
        answer = yield from self._ask("PUT", "/suppressions", wire.body_of(named))
        return wire.read_as(Suppression, wire.content_of(answer, 200, 201))

    def lift_suppression(self, named: dict[str, Any]) -> Flow[None]:
        """DELETE /suppressions. Raises ApiError and Unavailable."""
        answer = yield from self._ask("DELETE", "/suppressions", wire.body_of(named))
        if answer.status_code != 204:
            raise refusal(answer.status_code, wire.json_of(answer))

    def _send_part(
        self, part: list[tuple[Notification, bytes]]
    ) -> Flow[tuple[list[Result], NotificationsError | None]]:
        """Returns a result for each, and the error that was not about some of them but about all, if there was one.

        The platform accepts all of a request or nothing. So what it refuses is left out, and the rest sent again.
        """
        results = [Result(notification) for notification, _ in part]
        left = list(range(len(part)))
        while left:
            try:
                answer = yield from self._post([part[position][1] for position in left])
                refused = refusals_of_items(answer.status_code, wire.json_of(answer), len(left))
                accepted = [] if refused else wire.accepted_in(answer, len(left))
            except NotificationsError as error:
                for position in left:
                    results[position] = replace(results[position], error=error)
                return results, error
            for position, each in zip(left, accepted, strict=False):
                results[position] = replace(results[position], id=each.id, suppressed=each.suppressed)
            for place, why in refused.items():
                results[left[place]] = replace(results[left[place]], error=why)
            left = [position for place, position in enumerate(left) if refused and place not in refused]
        return results, None

    def _post(self, items: list[bytes]) -> Flow[httpx.Response]:
        return self._ask("POST", "/notifications", wire.BEFORE + b",".join(items) + wire.AFTER)

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Flow[httpx.Response]:
        named = {"Accept": "application/json"} | (headers or {})
        if body is not None:
            named["Content-Type"] = "application/json"
        if self.api_key:
            named["Authorization"] = f"Bearer {self.api_key}"
        request = httpx.Request(method, f"{self.url}{path}", headers=named, content=body)
        return ask(request, deadline=self.deadline, timeout=self.timeout)
