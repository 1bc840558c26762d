"""The admin's pages of people and of access. Importing it registers them."""

from __future__ import annotations

from users.access.admin import accounts, api_keys, login, second_factor
from users.people import admin as people
from users.recipients import admin as recipients

__all__ = ["accounts", "api_keys", "login", "people", "recipients", "second_factor"]
