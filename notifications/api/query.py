"""The query of the list of notifications, and what each of its filters does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from notifications.channels import channel_class, channel_names
from notifications.messages.fields import LENGTHS, Moment
from notifications.messages.ids import receiver_hashes
from notifications.messages.words import Is, Status, statuses
from notifications.models import NotificationQuerySet
from project.web.query import PageQuery, cursor, parameter

UUID_TEXT = "[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
A_TIME = "Must be a time such as 2030-01-31T12:00:00Z, with its zone (a + is written %2B)."
NO_SPACE = "Must not begin with a space; a + is written %2B."
RECEIVER = (
    "As it was given; equal receivers in another spelling match too. Without the scope `users` it finds only what was "
    "sent to this receiver itself, not to a `user`."
)


def _text(field: str, description: str) -> Meta:
    longest = LENGTHS[field]
    return parameter(description, f"Must have at most {longest} characters.", min_length=1, max_length=longest)


def _word(words: Sequence[str], description: str) -> Meta:
    must, pattern = f"Must be one of {', '.join(words)}.", rf"\A({'|'.join(words)})\Z"
    return parameter(description, must, pattern=pattern, extra_json_schema={"enum": [str(word) for word in words]})


Receiver = Annotated[str, parameter(RECEIVER, NO_SPACE, min_length=1, pattern="^[^ ]")]
User = Annotated[str, _text("user", "The main application's id of the user.")]
Reference = Annotated[str, _text("reference", "The caller's own id.")]
OneStatus = Annotated[str, _word(list(Status), "Where it stands.")]
Channel = Annotated[str, _word(channel_names(), "The channel.")]
Since = Annotated[Moment, parameter("Accepted at this time or later.", A_TIME)]
Until = Annotated[Moment, parameter("Accepted before this time.", A_TIME)]


class NotificationQuery(PageQuery, frozen=True, kw_only=True):
    """What `GET /notifications` takes. A row must match all filters that are set."""

    cursor: Annotated[str, cursor(UUID_TEXT)] | UnsetType = UNSET
    receiver: Receiver | UnsetType = UNSET
    user: User | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET
    status: OneStatus | UnsetType = UNSET
    type: Channel | UnsetType = UNSET
    since: Since | UnsetType = UNSET
    until: Until | UnsetType = UNSET


# All but `receiver`, which parts the rows: see by_receiver.
FILTERS: dict[str, Callable[[NotificationQuerySet, Any], NotificationQuerySet]] = {
    "user": lambda rows, user: rows.filter(user=user),
    "reference": lambda rows, reference: rows.filter(reference=reference),
    "status": lambda rows, status: rows.with_status(Status(status)),
    "type": lambda rows, channel: rows.filter(channel=channel),
    "since": NotificationQuerySet.since,
    "until": NotificationQuerySet.until,
}


def apply_filters(
    rows: NotificationQuerySet, query: NotificationQuery, names: Iterable[str] = FILTERS
) -> NotificationQuerySet:
    """Returns the rows that every filter in the query lets through, of the filters with these names."""
    for name in names:
        value = getattr(query, name)
        if value is not UNSET:
            rows = FILTERS[name](rows, value)
    return rows


def by_receiver(rows: NotificationQuerySet, query: NotificationQuery) -> list[NotificationQuerySet]:
    """Returns the rows of the receiver that the query names, on every channel that knows such ones; else all.

    They are in parts, one for each hash: the index has only the rows of one hash in the order of ids.
    """
    if query.receiver is UNSET:
        return [rows]
    channels = [name for name in channel_names() if channel_class(name).receiver_problem(query.receiver) is None]
    hashes = {each for name in channels for each in receiver_hashes(name, query.receiver)}
    return [rows.filter(receiver_hash=each) for each in hashes] or [rows.none()]


def by_one_index(query: NotificationQuery) -> tuple[str, ...]:
    """Returns the names of the filters that one index of the ledger answers in the order of ids."""
    if query.receiver is not UNSET:
        return ("since", "until")  # the hash comes with by_receiver
    for name in ("reference", "user"):
        if getattr(query, name) is not UNSET:
            return (name, "since", "until")
    return ("status", "since", "until") if query.status in statuses(Is.RARE) else ("since", "until")
