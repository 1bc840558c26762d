"""The admin pages of notifications and of the small tables. Importing this package registers them."""

from __future__ import annotations

from notifications.admin import jobs, notifications, small_tables

__all__ = ["jobs", "notifications", "small_tables"]
