"""Who is let in, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from users.access.keys import ring
from users.access.models import SCOPES, ApiKey, ApiKeyQuerySet

pytestmark = pytest.mark.django_db


def status(authorization: str | None, *, address: str = "127.0.0.1", **headers: str) -> int:
    sent = headers if authorization is None else headers | {"Authorization": authorization}
    return Client(REMOTE_ADDR=address).get("/notifications", headers=sent).status_code


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    """Neither keys nor a database that did not answer."""
    ring.forget()


@pytest.fixture
def key(settings: Settings) -> str:
    settings.API_KEYS_REQUIRED = True
    return ApiKey.issue(name="n", client="shop", scopes=list(SCOPES))[1]


def test_key_lets_in(key: str) -> None:
    assert status(f"Bearer {key}") == 200
    assert status(f"bearer  {key} ") == 200


@pytest.mark.parametrize("form", ["", "{}", "Basic {}", "Token {}", "Bearer", "Bearer ", "Bearer x{}", "Bearer {} {}"])
def test_other_forms_do_not(key: str, form: str) -> None:
    answer = Client().get("/notifications", headers={"Authorization": form.format(key, key)})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] == "authentication_failed"


def test_without_a_key(key: str) -> None:
    assert status(None) == 401


def test_revoked_and_expired(key: str) -> None:
    row, revoked = ApiKey.issue(name="n", client="shop", scopes=["read"])
    assert status(f"Bearer {revoked}") == 200
    row.revoke()
    _, expired = ApiKey.issue(
        name="n", client="shop", scopes=["read"], expires_at=timezone.now() - timedelta(seconds=1)
    )
    assert (status(f"Bearer {revoked}"), status(f"Bearer {expired}")) == (401, 401)


def test_database_down_and_key_unknown(key: str) -> None:
    ring.forget()
    with patch.object(ApiKeyQuerySet, "_fetch_all", side_effect=OperationalError("down")):
        answer = Client().get("/notifications", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_embedded_default_lets_this_machine_in(settings: Settings, address: str) -> None:
    settings.API_KEYS_REQUIRED = False
    assert status(None, address=address) == 200


@pytest.mark.parametrize("address", ["", "10.0.0.1", "192.168.127.1", "::2", "::ffff:10.0.0.1", "1270.0.0.1"])
def test_embedded_default_lets_nobody_else_in(settings: Settings, address: str) -> None:
    settings.API_KEYS_REQUIRED = False
    assert status(None, address=address) == 401


def test_behind_a_proxy_nobody_is_local(settings: Settings) -> None:
    settings.API_KEYS_REQUIRED = False
    assert status(None, **{"X-Forwarded-For": "10.0.0.1"}) == 401
    assert status(None, Forwarded="for=10.0.0.1") == 401


def test_wrong_key_is_refused_where_none_is_needed(settings: Settings) -> None:
    settings.API_KEYS_REQUIRED = False
    assert status(f"Bearer ntf_000000000000_{'x' * 43}") == 401
    assert status("Bearer nonsense") == 401


def test_where_keys_are_required_this_machine_needs_one_too(key: str) -> None:
    assert status(None, address="127.0.0.1") == 401
