"""The admin of the ledger and its neighbours. Importing it registers the pages."""

from __future__ import annotations

from notifications.admin import jobs, notifications, small_tables

__all__ = ["jobs", "notifications", "small_tables"]
