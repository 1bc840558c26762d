from __future__ import annotations

import pytest
from django.test import Client

from tests.project.desk.desk import staff, superuser


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: drives the admin with a real Chromium")


@pytest.fixture
def anna(db: None) -> Client:
    """A superuser, logged in."""
    client = Client()
    client.force_login(superuser("anna"))
    return client


@pytest.fixture
def support(db: None) -> Client:
    """Somebody who may act on dead letters and notifications, and no more."""
    models = ("dlq.{}_deadletter", "notifications.{}_notification")
    client = Client()
    client.force_login(staff("support", *(right.format(verb) for right in models for verb in ("view", "change"))))
    return client


@pytest.fixture
def viewer(db: None) -> Client:
    """Somebody with every view permission and nothing else."""
    client = Client()
    client.force_login(staff("viewer", "view"))
    return client
