"""The admin pages of the small tables. Importing this package registers them."""

from __future__ import annotations

from notifications.admin import jobs, pauses, receipts, sandbox, small_tables, staff_actions

__all__ = ["jobs", "pauses", "receipts", "sandbox", "small_tables", "staff_actions"]
