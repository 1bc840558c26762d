"""The tables of people and of access, where Django looks for them."""

from __future__ import annotations

from users.access.models import ApiKey, KeyUsage
from users.people.models import Device, User

__all__ = ["ApiKey", "Device", "KeyUsage", "User"]
