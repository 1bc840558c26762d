"""What a person can mean by what they typed into the box, and what each meaning finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Left, Lower

from dlq.models import DeadLetter
from notifications.channels import channel_class, masked
from notifications.messages.fields import LONGEST_KEY
from notifications.models import Notification
from project.database.beginnings import begins
from project.database.dialects import Dialect, Statement, as_uuid
from project.desk.newest import newest_keys
from project.desk.search import hashes_of, notification_matches, receivers_of
from project.desk.sight import LONGEST_FIRST_WORDS, Sight
from project.desk.spelling import as_id, beginning_of_id, domain_of, message_ids, number_of, trace_of, unwrapped
from users.people.models import Device, User

FEWEST_OF_A_NAME = 2  # characters: fewer begin too many names
KINDS = {"EMAIL": "an e-mail address", "SMS": "a phone number", "SLACK": "a Slack channel, user or webhook"}
LETTER = ("dead letter", "letter", "deadletter")
LONGEST_OF_PROVIDERS = 255  # characters of a provider's id
MOST_CLIENTS = 1_000  # in which a key is looked for


@dataclass(frozen=True)
class Term:
    """What was typed: stripped, not empty, bounded and without NUL."""

    typed: str

    @cached_property
    def receivers(self) -> list[tuple[str, str]]:
        return receivers_of(self.typed)

    @cached_property
    def hashes(self) -> list[str]:
        return hashes_of(self.receivers)

    @cached_property
    def domain(self) -> str:
        return domain_of(self.typed)

    @cached_property
    def letter(self) -> int | None:
        return number_of(self.typed, *LETTER)

    @property
    def may_be_provider_id(self) -> bool:
        """Says whether it is worth a look at ids that no index has: no address, and neither short nor of words."""
        bare = unwrapped(self.typed)
        return 6 <= len(bare) <= LONGEST_OF_PROVIDERS and not bare.startswith("@") and " " not in bare

    @property
    def provider_ids(self) -> list[str]:
        return message_ids(self.typed)

    @property
    def trace(self) -> str:
        return trace_of(self.typed)

    def shown(self, sight: Sight) -> str:
        """Returns what was typed as this person may see it: a receiver is masked for whoever may not see it whole."""
        if sight.receivers:
            return self.typed
        if self.receivers:
            return masked(*self.receivers[0])
        return "…" if "@" in self.typed[1:] or "://" in self.typed else self.typed

    def meanings(self) -> Iterator[str]:
        """Yields what it was looked for as, in the order in which it was."""
        channels = dict.fromkeys(channel for channel, _ in self.receivers)
        yield from (KINDS.get(channel, f"a receiver of {channel}") for channel in channels)
        yield "a user"
        if len(self.typed) >= FEWEST_OF_A_NAME:
            yield "the beginning of a user or name"
        if self.domain:
            yield "the domain of dead letters"
        if as_id(self.typed):
            yield "a notification's id"
        if beginning_of_id(self.typed):
            yield "the beginning of an id"
        if self.letter:
            yield "a dead letter's number"
        yield "a reference"
        yield "an idempotency key"


def people(term: Term, most: int) -> list[User]:
    """Returns people by user, beginning of user or name, or a device's address, the exact ones first."""
    low = {term.typed.lower(), "".join(each.lower() if each.isascii() else each for each in term.typed)}  # SQLite's
    columns = ("searched_username", "searched_name", "searched_last_name")
    names = [begins(column, text) for column in columns for text in low if len(text) >= FEWEST_OF_A_NAME]
    exact = [Q(username=term.typed), Q(pk__in=_users_of_devices(term, most))]
    keys = newest_keys(User.objects.all(), [*exact, *names], most + 1)
    found = User.objects.filter(pk__in=keys)
    return sorted(found, key=lambda user: (user.username != term.typed, user.username))


def _users_of_devices(term: Term, most: int) -> list[int]:
    """Returns the keys of people with a device of this address, in any case. Reads no device where it is no address."""
    if not term.receivers:
        return []
    spellings = {address for _, address in term.receivers}
    spellings |= {channel_class(channel).canonical(address) for channel, address in term.receivers}
    rows = Device.objects.alias(low=Lower("address")).filter(low__in={each.lower() for each in spellings})
    return list(rows.values_list("user_id", flat=True)[: most + 1])


def notifications(term: Term, most: int) -> list[Notification]:
    """Returns the newest notifications that the term finds, and one more, without their texts but the first words."""
    keys = [as_uuid(key) for (key,) in _notifications_of_key(term)]
    matches = [*notification_matches(term.typed), Q(pk__in=keys)]
    return rows_of(newest_keys(Notification.objects.all(), matches, most + 1))


def rows_of(keys: list[UUID]) -> list[Notification]:
    """Returns these notifications, the newest first, with `beginning` for their texts."""
    rows = Notification.objects.filter(pk__in=keys).defer("message", "html").order_by("-pk")
    return list(rows.annotate(beginning=_beginning("message")))


def letters(term: Term, rows: list[Notification], most: int) -> list[DeadLetter]:
    """Returns the newest dead letters that the term finds, and one more, and those of the notifications found."""
    conditions = [Q(receiver_hash=each) & ~Q(receiver_hash="") for each in term.hashes]
    conditions += [Q(was_receiver_hash=each) & ~Q(was_receiver_hash="") for each in term.hashes]
    conditions += [Q(user=term.typed) & ~Q(user=""), Q(notification_id__in=[row.pk for row in rows])]
    if term.letter:
        conditions.append(Q(pk=term.letter))
    if term.domain:
        conditions.append(Q(receiver_domain=term.domain) & ~Q(receiver_domain=""))
    return letters_by_key(newest_keys(DeadLetter.objects.all(), conditions, most + 1))


def letters_by_key(keys: list[int]) -> list[DeadLetter]:
    """Returns these dead letters with their notifications, the newest first, with `beginning` for their texts."""
    found = DeadLetter.objects.filter(pk__in=keys).select_related("notification").order_by("-pk")
    found = found.defer("raw", "notification__message", "notification__html")
    return list(found.annotate(beginning=_beginning("notification__message")))


def _beginning(column: str) -> Left:
    return Left(F(column), LONGEST_FIRST_WORDS + 1)


def _notifications_of_key(term: Term) -> list[tuple[Any, ...]]:
    """Returns the ids of notifications accepted with this idempotency key, of whatever client."""
    if len(term.typed) > LONGEST_KEY:
        return []
    return find_idempotency_key(key=term.typed)


@Statement
def find_idempotency_key(_: Dialect) -> str:
    """One look for each client, by the index over client and key: one over the key alone would cost the intake."""
    return f"""
        WITH RECURSIVE clients(client, place) AS (
            SELECT (SELECT min(client) FROM notifications_idempotencykey), 1
            UNION ALL
            SELECT (SELECT min(k.client) FROM notifications_idempotencykey AS k WHERE k.client > clients.client),
                place + 1
            FROM clients WHERE clients.client IS NOT NULL AND place < {MOST_CLIENTS})
        SELECT k.notification_id FROM clients JOIN notifications_idempotencykey AS k
            ON k.client = clients.client AND k.key = %(key)s LIMIT 50"""
