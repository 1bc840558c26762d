"""Whose notifications are meant: by the person's name in the directory, and by the addresses of their devices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.db.models import Q

from notifications.messages.ids import receiver_hashes
from notifications.models import Notification
from users.people.models import Device, User
from users.recipients.models import PersonPreferences

Address = tuple[str, str]  # channel, address


@dataclass(frozen=True)
class Person:
    """A person, whether the directory knows them or only the ledger does."""

    username: str
    name: str | None = None  # None: not in the directory
    devices: tuple[Address, ...] = ()

    @cached_property
    def hashes(self) -> list[str]:
        """Returns every hash under which the ledger may have one of the devices' addresses.

        Mail servers may tell Ann@ from ann@, and so does the ledger; no person does.
        """
        lower = [(channel, address.lower()) for channel, address in self.devices if "@" in address]
        return list(dict.fromkeys(each for device in (*self.devices, *lower) for each in receiver_hashes(*device)))

    def conditions(self) -> list[Q]:
        """Returns conditions that no notification fulfils two of, each by an index of the ledger.

        An address may be another person's as well: a notification with another user is that one's.
        """
        of_user = Q(user=self.username) & ~Q(user="")
        return [of_user, *(Q(receiver_hash=each, user="") for each in self.hashes)]

    def is_known(self) -> bool:
        """Returns whether there is anything about them."""
        if self.name is not None or PersonPreferences.objects.filter(pk=self.username).exists():
            return True
        return any(Notification.objects.filter(each).exists() for each in self.conditions())


def find(username: str, *, lock: bool = False) -> Person:
    """Returns the person; with `lock`, inside the caller's transaction, nobody else changes their entry meanwhile."""
    users = User.objects.select_for_update() if lock else User.objects.all()
    user = users.filter(username=username).first()
    if user is None:
        return Person(username)
    return Person(username, user.name, tuple(Device.objects.filter(user=user).values_list("channel", "address")))


def targets_of(username: str) -> list[str]:
    """Returns the names that the person and their devices have in the staff actions."""
    return [f"user {username}"[:100], f"device of {username}"[:100]]
