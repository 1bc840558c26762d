"""The admin of the ledger and its neighbours. Importing it registers the pages."""

from __future__ import annotations

from notifications.admin import ledger, records

__all__ = ["ledger", "records"]
