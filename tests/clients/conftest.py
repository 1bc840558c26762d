"""One web for all clients: the embedded default, which asks for API keys here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.platform import Platform
from project.run.local import WEB_OPTIONS


@pytest.fixture(scope="session")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with Platform.embedded(tmp_path_factory.mktemp("web")) as platform:
        platform.environment["API_KEYS_REQUIRED"] = "true"
        platform.prepare()
        platform.start_web(*WEB_OPTIONS)
        yield platform


@pytest.fixture(scope="session")
def url(web: Platform) -> str:
    return f"http://127.0.0.1:{web.ports[0]}"


@pytest.fixture(scope="session")
def key(web: Platform) -> str:
    return web.create_api_key()
