from __future__ import annotations

import pytest

from notifications.models import Category
from tests.notifications.ledger.digests.folding import digested


@pytest.fixture(autouse=True)
def news(transactional_db: None) -> Category:
    """The category of what the tests send; each is in transactions of its own."""
    return digested()
