"""All about one person as one JSON document, in pieces, so that much of it fills no memory.

Its shape is in docs/privacy.md. What staff did is in it, and who they were is not: that is not about the person.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import QuerySet
from django.utils import timezone

from dlq.models import DeadLetter
from notifications.messages.ids import first_id_at
from notifications.messages.words import StaffVerb
from notifications.models import Attempt, IdempotencyKey, Notification, Receipt, StaffAction
from project.desk.audit import write_actions
from project.privacy.person import Person, targets_of
from users.recipients import preferences
from users.recipients.models import PreferenceEvent, Suppression
from users.recipients.wishes import shown

VERSION = 1
A_PAGE = 50  # notifications; each has up to half a megabyte of texts
MOST_ACTIONS = 10_000  # on their entry in the directory
MOST_RECEIPTS = 10_000  # that are of no notification
NOTIFICATION = (
    *("id", "client", "reference", "channel", "receiver", "subject", "message", "html", "user", "category", "priority"),
    *("status", "reason", "generation", "due_at", "send_at", "expires_at", "accepted_at", "settled_at"),
    *("provider", "provider_message_id", "last_cause", "last_error"),
)
ATTEMPT = ("at", "outcome", "cause", "error")
LETTER = ("state", "cause", "error", "died_at", "changed_at", "discard_reason")
RECEIPT = ("type", "at", "provider", "detail")
EVENT = ("at", "source", "what", "before", "after", "reason", "address")
EVENTS_A_PAGE = 1_000
SUPPRESSION = ("channel", "scope", "reason", "since", "until", "provider", "evidence")
MOST_SUPPRESSIONS = 10_000
ACTION = ("at", "action", "note", "reason", "before", "after")


def export(person: Person) -> Iterator[bytes]:
    """Yields the document, piece by piece. Each piece reads the database by itself, so no transaction stays open."""
    devices = [{"type": channel, "address": address} for channel, address in person.devices]
    head = {"version": VERSION, "exported_at": timezone.now(), "username": person.username, "name": person.name}
    chosen = shown(preferences.of(person.username))
    head |= {"devices": devices, "preferences": chosen, "suppressions": _suppressions(person)}
    yield _json(head)[:-1] + b',"preference_events":['
    yield from _listed(_events(person))
    yield b'],"notifications":['
    yield from _listed(_notifications(person))
    yield b'],"receipts":['
    yield from _listed([_unmatched(person)])
    yield b'],"staff_actions":['
    yield from _listed(_actions_on(person))
    yield b"]}\n"


def _suppressions(person: Person) -> list[dict[str, Any]]:
    """Returns why nothing is sent to one of their addresses, or nothing of a category (`scope`)."""
    rows = Suppression.objects.in_force().filter(address_hash__in=person.hashes).order_by("id")
    return list(rows.values(*SUPPRESSION)[:MOST_SUPPRESSIONS])


def note(person: Person, actor: str) -> None:
    """Writes down who had it exported."""
    write_actions(actor, StaffVerb.EXPORT_USER, [(targets_of(person.username)[0], None)])


def _listed(pages: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """Yields the items of pages as they stand inside a list of JSON."""
    comma = b""
    for page in pages:
        if page:
            yield comma + b",".join(_json(each) for each in page)
            comma = b","


def _notifications(person: Person) -> Iterator[list[dict[str, Any]]]:
    """Yields pages of notifications, those of the user first and then of each address, the oldest first."""
    until = first_id_at(timezone.now())
    for condition in person.conditions():
        last = UUID(int=0)
        while True:
            chosen = Notification.objects.filter(condition, id__gt=last, id__lt=until).order_by("id")
            page = list(chosen.values(*NOTIFICATION)[:A_PAGE])
            if not page:
                break
            last = page[-1]["id"]
            yield _with_all(page)


def _with_all(page: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the notifications with what hangs on them, with a statement for each table."""
    ids = [row["id"] for row in page]
    attempts = _by_id(Attempt.objects.filter(notification_id__in=ids).order_by("number"), ATTEMPT)
    letters = _by_id(DeadLetter.objects.filter(notification_id__in=ids), LETTER)
    actions = _by_id(StaffAction.objects.filter(notification_id__in=ids).order_by("id"), ACTION)
    receipts = _by_id(Receipt.objects.filter(notification_id__in=ids).order_by("id"), RECEIPT)
    keys = dict(IdempotencyKey.objects.filter(notification_id__in=ids).values_list("notification_id", "key"))
    return [
        {"id": row.pop("id"), "type": row.pop("channel"), **row}
        | {"idempotency_key": keys.get(id), "attempts": attempts[id], "staff_actions": actions[id]}
        | {"dead_letter": next(iter(letters[id]), None), "receipts": receipts[id]}
        for id, row in zip(ids, page, strict=True)
    ]


def _by_id(rows: QuerySet[Any], columns: Sequence[str]) -> Mapping[UUID, list[dict[str, Any]]]:
    found: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in rows.values("notification_id", *columns):
        found[row.pop("notification_id")].append(row)
    return found


def _unmatched(person: Person) -> list[dict[str, Any]]:
    """Returns what providers reported on their addresses alone, such as that they answered STOP."""
    reported = Receipt.objects.filter(receiver_hash__in=person.hashes, notification_id__isnull=True)
    return list(reported.order_by("id").values("channel", *RECEIPT)[:MOST_RECEIPTS])


def _events(person: Person) -> Iterator[list[dict[str, Any]]]:
    """Yields pages of the changes of what the person chose, the oldest first."""
    last = 0
    while True:
        rows = PreferenceEvent.objects.filter(username=person.username, pk__gt=last).order_by("pk")
        page = list(rows.values("pk", *EVENT)[:EVENTS_A_PAGE])
        if not page:
            break
        last = page[-1]["pk"]
        yield [{name: row[name] for name in EVENT} for row in page]


def _actions_on(person: Person) -> Iterator[list[dict[str, Any]]]:
    """Yields what was done to the person and their devices in the directory."""
    for target in targets_of(person.username):
        yield list(StaffAction.objects.filter(target=target).order_by("id").values(*ACTION)[:MOST_ACTIONS])


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)
