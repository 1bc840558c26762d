"""One person over all channels: their devices, their open cases, and what was sent to them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from dlq.admin.finding.find import letters_by_key, rows_of
from dlq.models import DeadLetter
from notifications.messages.ids import receiver_hashes
from notifications.messages.words import Status
from notifications.models import Notification, NotificationQuerySet
from project.database.dialects import Dialect, Statement, as_json, from_time
from project.desk.in_words import in_words
from project.desk.newest import newest, newest_keys, newest_of_each
from users.people.models import Device, User

MOST_COUNTED = 1_000
MOST_OPEN = 10
MOST_WAITING = 10
A_PAGE = 50
LATEST = 100  # notifications of a device among which its last success is looked for
PERIODS = {"7": "7 days", "30": "30 days", "all": "all"}


@dataclass(frozen=True)
class Person:
    """A user, with their devices where the directory knows them; or the one address that belongs to no user."""

    username: str = ""
    user: User | None = None
    devices: list[Device] = field(default_factory=list)
    address: Notification | None = None  # whose receiver it is

    @cached_property
    def hashes_of_devices(self) -> dict[int, list[str]]:
        return {device.pk: receiver_hashes(device.channel, device.address) for device in self.devices}

    @cached_property
    def hashes(self) -> list[str]:
        """Returns every hash of all devices, or of the one address."""
        if self.address is None:
            return list(dict.fromkeys(each for hashes in self.hashes_of_devices.values() for each in hashes))
        receiver = self.address.receiver
        return list(
            dict.fromkeys(
                [self.address.receiver_hash, *(receiver_hashes(self.address.channel, receiver) if receiver else [])]
            )
        )

    @cached_property
    def used_hashes(self) -> list[str]:
        """Returns those under which the ledger has rows: few, so that each can be a part of a statement."""
        rows = as_json([{"hash": each} for each in self.hashes])
        return [row[0] for row in find_used_hashes(rows=rows)] if self.hashes else []

    @property
    def is_known(self) -> bool:
        return bool(self.user or self.address)

    def conditions(self) -> list[Q]:
        """Returns a condition for the user and each address, by an index of the ledger each."""
        of_user = [Q(user=self.username) & ~Q(user="")] if self.username else []
        return [*of_user, *(Q(receiver_hash=each) for each in self.used_hashes)]

    def letter_conditions(self) -> list[Q]:
        """Returns the same for dead letters, and that a receiver was one of the addresses before its correction."""
        of_user = [Q(user=self.username) & ~Q(user="")] if self.username else []
        now = [Q(receiver_hash=each) & ~Q(receiver_hash="") for each in self.used_hashes]
        return [*of_user, *now, Q(was_receiver_hash__in=self.hashes) & ~Q(was_receiver_hash="")]


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A device, when something was last sent to it, and when and why something last died."""

    device: Device
    sent_at: datetime | None = None
    died_at: datetime | None = None
    why: str = ""


def of_user(username: str) -> Person:
    """Returns the person with this user's id, also where only the ledger knows it."""
    user = User.objects.filter(username=username).first()
    return Person(username, user, list(Device.objects.filter(user=user)) if user else [])


def of_key(key: int) -> Person | None:
    """Returns the person with this key in the directory."""
    user = User.objects.filter(pk=key).first()
    return Person(user.username, user, list(Device.objects.filter(user=user))) if user else None


def of_device(key: int) -> Person | None:
    """Returns the person whose device has this key."""
    device = Device.objects.filter(pk=key).first()
    return of_key(device.user_id) if device else None


def of_notification(id: UUID) -> Person | None:
    """Returns whom this notification went to: its user, or its receiver alone."""
    row = Notification.objects.defer("message", "html").filter(pk=id).first()
    if row is None:
        return None
    return of_user(row.user) if row.user else Person(address=row)


def sent(person: Person, period: str, before: UUID | None) -> tuple[list[Notification], bool]:
    """Returns a page of notifications of the period, the newest first, and whether there are more."""
    rows = _since(period)
    if before:
        rows = rows.filter(pk__lt=before)
    keys = newest_keys(rows, person.conditions(), A_PAGE + 1)
    return rows_of(keys[:A_PAGE]), len(keys) > A_PAGE


def statuses_of(person: Person, period: str) -> Counter[str]:
    """Returns how many of the period's newest MOST_COUNTED + 1 notifications have which status."""
    return Counter(status for _, status in newest(_since(period), person.conditions(), MOST_COUNTED + 1, "status"))


def waiting(person: Person) -> tuple[list[Notification], bool]:
    """Returns what waits, the next to be tried first, among the newest MOST_COUNTED; and whether there is more."""
    rows = newest(Notification.objects.all(), person.conditions(), MOST_COUNTED, "listed", "due_at")
    due = {row[0]: from_time(row[2]) for row in rows if row[1] == Status.WAITING}
    last = datetime.max.replace(tzinfo=UTC)
    found = rows_of(sorted(due, key=lambda key: due[key] or last)[:MOST_WAITING])
    return sorted(found, key=lambda row: row.due_at or last), len(due) > MOST_WAITING


def open_letters(person: Person) -> list[DeadLetter]:
    """Returns the newest open dead letters, and one more than MOST_OPEN."""
    rows = DeadLetter.objects.filter(state=DeadLetter.State.OPEN)
    return letters_by_key(newest_keys(rows, person.letter_conditions(), MOST_OPEN + 1))


def device_lines(person: Person) -> list[DeviceLine]:
    """Returns a line for each device, with two statements however many there are."""
    each = [Q(receiver_hash=used) for used in person.used_hashes]
    rows = newest_of_each(Notification.objects.all(), each, LATEST, "receiver_hash", "status", "settled_at")
    ends = [(row[1], from_time(row[3])) for row in rows if row[2] == Status.SENT and row[3]]
    letters = newest_of_each(DeadLetter.objects.all(), each, 1, "receiver_hash", "cause", "died_at")
    deaths = [(row[1], row[2], from_time(row[3])) for row in letters]
    return [_device_line(device, person.hashes_of_devices[device.pk], ends, deaths) for device in person.devices]


def _device_line(device: Device, hashes: list[str], ends: list[Any], deaths: list[Any]) -> DeviceLine:
    sent_at = max((at for used, at in ends if used in hashes), default=None)
    died_at, cause = max(((at, cause) for used, cause, at in deaths if used in hashes), default=(None, ""))
    return DeviceLine(device, sent_at, died_at, in_words("cause", cause) if cause else "")


def _since(period: str) -> NotificationQuerySet:
    rows = Notification.objects.all()
    return rows if period == "all" else rows.since(timezone.now() - timedelta(days=int(period)))


@Statement
def find_used_hashes(d: Dialect) -> str:
    """Without OFFSET the planner may read the ledger once instead of looking each hash up."""
    return f"""
        SELECT r.hash FROM {d.rows({"hash": "text"})} WHERE EXISTS (
            SELECT 1 FROM notifications_notification AS n WHERE n.receiver_hash = r.hash LIMIT 1 OFFSET 0)"""
