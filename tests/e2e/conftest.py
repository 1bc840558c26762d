from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.platform import Platform
from harness.platform.providers import Providers, open_providers


@pytest.fixture
def providers() -> Iterator[Providers]:
    with open_providers() as providers:
        yield providers


@pytest.fixture
def connected(platform: Platform, providers: Providers) -> Platform:
    """The platform on PostgreSQL and Kafka, its channels at the fake providers; migrated, topics made."""
    platform.environment |= providers.environment
    platform.prepare()
    return platform
