"""The directory is asked over the same API."""

from __future__ import annotations

from tests.notifications.api.conftest import api, keys_required

__all__ = ["api", "keys_required"]
