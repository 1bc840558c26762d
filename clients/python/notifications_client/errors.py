"""What can go wrong, by who has to do something about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Problems = tuple["Problem", ...]


@dataclass(frozen=True)
class Problem:
    """One reason why the platform refused a request. `field` is empty where it is about the whole request."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}" if self.field else self.reason


class NotificationsError(Exception):
    """Every error of this package."""


class ApiError(NotificationsError):
    """The platform refused the request; nothing was accepted. Asking again changes nothing."""

    def __init__(self, status: int, problems: Problems, code: str = "") -> None:
        super().__init__(f"{status}: {'; '.join(str(problem) for problem in problems)}")
        self.status = status
        self.problems = problems
        self.code = code


class InvalidRequest(ApiError):
    """Something in the request is wrong; `problems` name the fields and say why."""


class Unauthorized(ApiError):
    """There is no API key, or it is unknown, revoked or expired."""


class Forbidden(ApiError):
    """The API key lacks the scope, or may not send on the channel."""


class NotFound(ApiError):
    """There is no such notification, or another client sent it."""


class NotYetKnown(NotFound):
    """There is no such notification, or it was accepted without an idempotency key and no sender has claimed it."""


class Conflict(ApiError):
    """The idempotency key was used with another content."""


class TooLate(ApiError):
    """The notification cannot be cancelled any more: it is being sent, has ended, or may have arrived."""

    def __init__(self, status: int, problems: Problems, code: str = "", notification_status: str = "") -> None:
        super().__init__(status, problems, code)
        self.notification_status = notification_status


class Unavailable(NotificationsError):
    """The deadline passed without an answer that says yes or no.

    What was to be sent may have been accepted. Send it again with `idempotency_key`, and it is accepted once.
    """

    def __init__(self, reason: str, idempotency_key: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.idempotency_key = idempotency_key


class OverLimit(Unavailable):
    """The API key is over one of its limits, for longer than the deadline. Nothing was accepted."""


BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    411: InvalidRequest,
    413: InvalidRequest,
    415: InvalidRequest,
}


def refusal(status: int, body: Any) -> ApiError:
    """Returns the error that an answer means. `body` is its JSON: by field, or `detail` with a `code`."""
    kind = BY_STATUS.get(status, ApiError)
    if not isinstance(body, Mapping):
        return kind(status, (Problem("", "The answer is no JSON object."),))
    code = str(body.get("code", ""))
    if "detail" in body:
        problems = (Problem("", str(body["detail"])),)
        if code == "too_late":
            return TooLate(status, problems, code, str(body.get("status", "")))
        kind = NotYetKnown if code == "not_yet_known" else kind
        return kind(status, problems, code)
    return kind(status, tuple(_problems(body)))


def refusals_of_items(status: int, body: Any, count: int) -> dict[int, ApiError]:
    """Returns the errors of a batch's items by their positions; none where the answer is about the whole batch."""
    items = body.get("notifications") if isinstance(body, Mapping) else None
    if not isinstance(items, Mapping):
        return {}
    return {place: refusal(status, items[str(place)]) for place in range(count) if str(place) in items}


def _problems(body: Mapping[str, Any]) -> list[Problem]:
    return [
        Problem(field, str(reason))
        for field, reasons in body.items()
        for reason in (reasons if isinstance(reasons, list) else [reasons])
    ]
