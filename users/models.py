"""The tables of people, of what they chose, and of access, where Django looks for them."""

from __future__ import annotations

from users.access.models import ApiKey, KeyUsage
from users.people.models import Device, User
from users.recipients.models import CapPlace, PersonPreferences, PreferenceEvent, Suppression

__all__ = ["ApiKey", "CapPlace", "Device", "KeyUsage", "PersonPreferences", "PreferenceEvent", "Suppression", "User"]
