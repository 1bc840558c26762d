"""The description is valid, says what the code does, and no request made from it is an error of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from io import StringIO
from typing import Any, ClassVar

import msgspec
import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from notifications.api import openapi
from notifications.api.query import FILTERS
from notifications.channels import channel_class, channel_names
from notifications.channels.sms.rules import Sms
from notifications.messages.draft import BatchDraft, Draft
from notifications.messages.fields import fields_of
from project.wsgi import application
from tests.caller import Api, issue, json_of

TRUE = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture
def description(api: Api) -> Any:
    return json_of(api.get("/schema"))


def test_command_finds_nothing_to_warn_of() -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO())


@pytest.mark.parametrize(("shape", "struct"), [("SubmissionRequest", Draft), ("BatchItemRequest", BatchDraft)])
def test_requests_are_described_with_the_validators_fields(description: Any, shape: str, struct: type) -> None:
    described = description["components"]["schemas"][shape]
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    assert set(described["properties"]) == set(fields)
    assert set(described["required"]) == {name for name, field in fields.items() if field.required}
    assert described["additionalProperties"] is False


@pytest.mark.parametrize("shape", ["SubmissionRequest", "BatchItemRequest"])
def test_limits_are_those_of_the_types_and_of_the_channels(description: Any, shape: str) -> None:
    properties = description["components"]["schemas"][shape]["properties"]
    limits = {name: properties[name]["maxLength"] for name in properties if "maxLength" in properties[name]}
    fields = fields_of(BatchDraft if "idempotency_key" in properties else Draft)
    assert limits == {name: field.limit for name, field in fields.items() if field.limit}
    for name in channel_names():
        assert f"{name} ≤ {channel_class(name).max_message}" in properties["message"]["description"]


def test_a_fourth_channel_describes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Push(Sms):
        max_message: ClassVar[str] = "9 characters"
        takes_subject: ClassVar[bool] = True

    monkeypatch.setitem(openapi.CHANNELS, "PUSH", Push)
    properties: dict[str, Any] = {name: {} for name in ("message", "subject", "html")}
    openapi.add_what_channels_say(properties)
    assert properties["message"]["description"].endswith("PUSH ≤ 9 characters.")
    assert properties["subject"]["description"] == "EMAIL, PUSH only."


def test_every_call_and_filter_is_described(description: Any) -> None:
    calls = {(method.upper(), path) for path, methods in description["paths"].items() for method in methods}
    assert calls == {
        ("POST", "/notification"), ("POST", "/notifications"), ("GET", "/notification/{id}"),
        ("DELETE", "/notification/{id}"), ("GET", "/notifications"),
        ("GET", "/users"), ("GET", "/users/{username}"), ("PUT", "/users/{username}"), ("DELETE", "/users/{username}"),
        ("GET", "/users/{username}/export"), ("GET", "/users/{username}/forget"), ("POST", "/users/{username}/forget"),
        ("GET", "/users/{username}/preferences"), ("PATCH", "/users/{username}/preferences"),
        ("POST", "/users/{username}/preferences/link"),
        ("GET", "/categories"), ("GET", "/explain"),
        ("GET", "/categories/{name}"), ("PUT", "/categories/{name}"), ("DELETE", "/categories/{name}"),
        ("GET", "/suppressions"), ("PUT", "/suppressions"), ("DELETE", "/suppressions"),
        ("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/metrics"),
    }  # fmt: skip
    parameters = {parameter["name"] for parameter in description["paths"]["/notifications"]["get"]["parameters"]}
    assert parameters == {*FILTERS, "receiver", "cursor", "page_size"}


def test_examples_are_accepted(api: Api, description: Any) -> None:
    api.put("/users/ann", {"devices": [{"type": "EMAIL", "address": "ann@example.com"}]})
    for method, path, call in every_call(description):
        examples = call.get("requestBody", {}).get("content", {}).get("application/json", {}).get("examples", {})
        for example in examples.values():
            answer = api.request(method, path.replace("{username}", "ann").replace("{name}", "news"), example["value"])
            assert answer.status_code in (200, 201, 202), answer.content


def test_every_call_with_a_key_says_so(description: Any) -> None:
    for _, path, call in every_call(description):
        assert bool(call.get("security")) is not path.startswith("/health")
        assert path.startswith("/health") or {"401", "403", "503"} <= set(call["responses"])
    (scheme,) = description["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


def drawn(strategy: SearchStrategy[Any]) -> list[Any]:
    """The same examples in every run; none of a call that has nothing to get wrong."""
    cases: list[Any] = []

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def draw(case: Any) -> None:
        cases.append(case)

    with suppress(Unsatisfiable):
        draw()
    return cases


def every_call(description: Any) -> list[tuple[str, str, Any]]:
    return [(m.upper(), path, call) for path, methods in description["paths"].items() for m, call in methods.items()]


@pytest.fixture
def one_transaction(db: None) -> Iterator[None]:
    """Requests must not close the connection that holds the test's transaction; Django's test client does the same."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.postgresql  # the stricter one: it takes no NUL and no number out of range
@pytest.mark.parametrize("mode", list(GenerationMode))
@pytest.mark.usefixtures("one_transaction", "keys_required")
def test_whatever_is_sent_the_answer_is_as_described(mode: GenerationMode) -> None:
    headers = {"Authorization": f"Bearer {issue()}"}
    schema: Any = schemathesis.openapi.from_wsgi("/schema", application, headers=headers)
    answers: Counter[int] = Counter()
    for operation in schema.get_all_operations():
        for case in drawn(operation.ok().as_strategy(generation_mode=mode)):
            answers[case.call_and_validate(checks=TRUE, headers=headers).status_code] += 1
    assert set(answers) >= ({200, 202} if mode.is_positive else {400, 404}), answers
