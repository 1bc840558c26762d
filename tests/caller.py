"""The API as a caller sees it, over Django's whole request handling, on the embedded queue."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.apps import apps
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from users.access.models import SCOPES, ApiKey

EMAIL = {"type": "EMAIL", "message": "Hello World", "receiver": "ann@example.com"}


class Api:
    """Sends requests and gives what came back; an exception inside is the 500 that a caller would get."""

    def __init__(self, key: str | None = None) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def request(
        self, method: str, path: str, body: object = b"", *, content_type: str = "application/json", **headers: str
    ) -> HttpResponse:
        """`body`: bytes as they are, anything else as JSON. Headers are named like `Idempotency_Key`."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return _as_is(self.client.generic(method, path, raw, content_type, headers=self.headers | named))

    def post(self, path: str, body: object, **headers: str) -> HttpResponse:
        return self.request("POST", path, body, **headers)

    def put(self, path: str, body: object) -> HttpResponse:
        return self.request("PUT", path, body)

    def delete(self, path: str) -> HttpResponse:
        return self.request("DELETE", path)

    def delete_with(self, path: str, body: object) -> HttpResponse:
        return self.request("DELETE", path, body)

    def get(self, path: str, **query: str) -> HttpResponse:
        return _as_is(self.client.get(path, query, headers=self.headers))


def _as_is(answer: Any) -> HttpResponse:
    assert isinstance(answer, HttpResponse)
    return answer


def json_of(answer: HttpResponse) -> Any:
    """The JSON of an answer, which every answer with a body must be."""
    assert answer.headers["Content-Type"] == "application/json", answer.content[:200]
    return json.loads(answer.content)


def stored() -> dict[str, int]:
    """The tables of the product that hold rows, without those that hold some from the start."""
    models = [model for app in ("notifications", "dlq", "users") for model in apps.get_app_config(app).get_models()]
    counts = {model.__name__: model._default_manager.count() for model in models}
    return {name: count for name, count in counts.items() if count and name not in ("Category", "ApiKey")}


def issue(*scopes: str, client: str = "shop") -> str:
    """A new API key, with all scopes where none is named."""
    return ApiKey.issue(name="tests", client=client, scopes=list(scopes or SCOPES))[1]


@pytest.fixture
def keys_required(settings: Settings) -> None:
    settings.API_KEYS_REQUIRED = True


@pytest.fixture
def api(db: None, keys_required: None) -> Api:
    """A client that may do everything."""
    return Api(issue())
