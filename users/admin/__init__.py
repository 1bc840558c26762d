"""The directory of users, and who has access."""

from __future__ import annotations

from users.admin import keys, people

__all__ = ["keys", "people"]
