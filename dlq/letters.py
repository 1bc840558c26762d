"""What happens to dead letters when the ledger settles rows."""

from __future__ import annotations


def register() -> None:
    """Hook into the ledger."""
