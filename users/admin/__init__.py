"""The directory of users, and who has access."""

from __future__ import annotations

from users.admin import keys, login, people, second_factor

__all__ = ["keys", "login", "people", "second_factor"]
