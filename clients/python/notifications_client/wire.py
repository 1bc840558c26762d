"""The JSON of requests and answers, and how notifications become the parts of a batch."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar, cast
from urllib.parse import parse_qs, quote, urlsplit
from uuid import UUID, uuid4

import httpx

from notifications_client.errors import ApiError, Problem, refusal
from notifications_client.people import Cap, Choice, Preferences, QuietHours
from notifications_client.types import Accepted, Notification

# The platform's limits of a batch.
MAX_ITEMS = 5_000
MAX_BYTES = 5 * 1024 * 1024
BEFORE, AFTER = b'{"notifications":[', b"]}"

TIMES = ("accepted_at", "at", "due_at", "expires_at", "paused_until", "send_at", "settled_at", "since", "until")
R = TypeVar("R")


def with_key(notification: Notification) -> Notification:
    """Returns the notification with an idempotency key, a new one where it has none."""
    if notification.idempotency_key is not None:
        return notification
    return dataclasses.replace(notification, idempotency_key=str(uuid4()))


def parts(notifications: Iterable[Notification]) -> Iterator[list[tuple[Notification, bytes]]]:
    """Yields them with their JSON, in parts that each fit into one request, in order."""
    part: list[tuple[Notification, bytes]] = []
    size = len(BEFORE) + len(AFTER)
    for notification in notifications:
        item = as_json(notification)
        if part and (len(part) == MAX_ITEMS or size + len(item) + 1 > MAX_BYTES):
            yield part
            part, size = [], len(BEFORE) + len(AFTER)
        part.append((notification, item))
        size += len(item) + 1
    if part:
        yield part


def as_json(notification: Notification) -> bytes:
    given = {field.name: getattr(notification, field.name) for field in dataclasses.fields(notification)}
    return body_of({name: value for name, value in given.items() if value is not None})


def body_of(values: Mapping[str, Any]) -> bytes:
    """Returns these values as JSON. None is null."""
    return json.dumps(values, default=_plain, separators=(",", ":")).encode()


def path_of(username: str, rest: str) -> str:
    return f"/users/{quote(username, safe='')}/{rest}"


def content_of(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """Returns the JSON object of an answer with one of these statuses. Raises ApiError for any other answer."""
    body = json_of(answer)
    if answer.status_code not in statuses or not isinstance(body, dict):
        raise refusal(answer.status_code, body)
    return body


def accepted(found: dict[str, Any]) -> Accepted:
    return Accepted(UUID(found["id"]), found["status"], found.get("suppressed"))


def accepted_in(answer: httpx.Response, count: int) -> list[Accepted]:
    """Returns what the answer to a batch says of each item. Raises ApiError where it is not one id for each."""
    entries = content_of(answer, 202).get("notifications", [])
    if len(entries) != count:
        raise ApiError(answer.status_code, (Problem("", f"{len(entries)} ids for {count} notifications."),))
    return [accepted(entry) for entry in entries]


def json_of(answer: httpx.Response) -> Any:
    """Returns the JSON of an answer; None where it has none, such as a proxy's page."""
    try:
        return answer.json()
    except ValueError:
        return None


def read_as(shape: type[R], found: dict[str, Any]) -> R:
    """Returns an answer's object in its shape. What the shape does not have is left out, what is missing is None."""
    names = [field.name for field in dataclasses.fields(cast("Any", shape))]
    return shape(**{name: _value(name, found.get(name)) for name in names})


def preferences_in(found: dict[str, Any]) -> Preferences:
    choices = tuple(read_as(Choice, each) for each in found["choices"])
    quiet = read_as(QuietHours, found["quiet"]) if found["quiet"] else None
    cap = read_as(Cap, found["cap"]) if found["cap"] else None
    channel_caps = {channel: read_as(Cap, each) for channel, each in found["channel_caps"].items()}
    read = {"quiet": quiet, "cap": cap, "channel_caps": channel_caps, "choices": choices}
    return read_as(Preferences, found | read)


def query_of(filters: dict[str, Any]) -> str:
    """Returns the filters of a list as they stand in its address."""
    return str(httpx.QueryParams({name: _plain(value) for name, value in filters.items()}))


def cursor_in(link: str | None) -> str | None:
    """Returns the cursor in the link to a page; None where there is no such page."""
    return parse_qs(urlsplit(link).query)["cursor"][0] if link else None


def _plain(value: Any) -> Any:
    """Returns a time, or one of our objects, as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value


def _value(name: str, value: Any) -> Any:
    if name == "id":
        return UUID(value)
    return datetime.fromisoformat(value) if name in TIMES and value else value
