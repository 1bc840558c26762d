"""The admin of the ledger and its neighbours. Importing it registers the pages."""

from __future__ import annotations

from notifications.admin import notifications, small_tables

__all__ = ["notifications", "small_tables"]
