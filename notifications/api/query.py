"""The filters of the list of notifications."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from notifications.channels import channel_class, channel_names
from notifications.messages.explain import Errors
from notifications.messages.ids import receiver_hash
from notifications.messages.message import LENGTHS, Invalid, Moment
from notifications.messages.words import Status
from notifications.models import NotificationQuerySet

# Those that the index ledger_rare_status has (notifications/models.py).
RARE_STATUSES = (Status.ACCEPTED, Status.WAITING, Status.HELD, Status.DEAD, Status.EXPIRED)


def apply_filters(rows: NotificationQuerySet, query: dict[str, str]) -> NotificationQuerySet:
    """The rows that every filter in the query lets through. Raises Invalid."""
    errors: Errors = {}
    for name, value in query.items():
        try:
            rows = FILTERS[name](rows, value)
        except ValueError as why:
            errors[name] = [str(why)]
    if errors:
        raise Invalid(errors)
    return rows


def by_one_index(query: dict[str, str]) -> dict[str, str]:
    """The filters that one index of the ledger answers in the order of ids, among those of the query."""
    for name in ("receiver", "reference", "user"):
        if name in query:
            return _only(query, name, "since", "until")
    rare = query.get("status") in RARE_STATUSES
    return _only(query, "status", "since", "until") if rare else _only(query, "since", "until")


def _only(query: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if name in names}


def _by_receiver(rows: NotificationQuerySet, value: str) -> NotificationQuerySet:
    """Exact, by the index on the hash; on every channel that knows such receivers."""
    if value.startswith(" "):
        raise ValueError("Must not begin with a space; a + is written %2B.")
    channels = [name for name in channel_names() if channel_class(name).receiver_problem(value) is None]
    return rows.filter(receiver_hash__in=[receiver_hash(name, value) for name in channels])


def _by_text(field: str) -> Callable[[NotificationQuerySet, str], NotificationQuerySet]:
    def matching(rows: NotificationQuerySet, value: str) -> NotificationQuerySet:
        if len(value) > LENGTHS[field]:
            raise ValueError(f"Must have at most {LENGTHS[field]} characters.")
        return rows.filter(**{field: value})

    return matching


def _by_status(rows: NotificationQuerySet, value: str) -> NotificationQuerySet:
    return rows.filter(status=_one_of(value, list(Status)))


def _by_type(rows: NotificationQuerySet, value: str) -> NotificationQuerySet:
    return rows.filter(channel=_one_of(value, channel_names()))


def _since(rows: NotificationQuerySet, value: str) -> NotificationQuerySet:
    return rows.since(_moment(value))


def _until(rows: NotificationQuerySet, value: str) -> NotificationQuerySet:
    return rows.until(_moment(value))


def _one_of(value: str, allowed: Iterable[str]) -> str:
    if value not in allowed:
        raise ValueError(f"Must be one of {', '.join(allowed)}.")
    return value


def _moment(value: str) -> datetime:
    try:
        moment: datetime = msgspec.convert(value, Moment)
    except msgspec.ValidationError:
        raise ValueError("Must be a time such as 2030-01-31T12:00:00Z, with its zone (a + is written %2B).") from None
    return moment


FILTERS: dict[str, Callable[[NotificationQuerySet, str], NotificationQuerySet]] = {
    "receiver": _by_receiver,
    "user": _by_text("user"),
    "reference": _by_text("reference"),
    "status": _by_status,
    "type": _by_type,
    "since": _since,
    "until": _until,
}
