"""The admin pages of the small tables. Importing this package registers them."""

from __future__ import annotations

from notifications.admin import jobs, small_tables

__all__ = ["jobs", "small_tables"]
