"""clients/python has the calls, fields and words of the OpenAPI description, and leaves out only what is listed."""

from __future__ import annotations

import dataclasses
import inspect
import types as python_types
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import pytest

from notifications_client import AsyncClient, Client, people, types, wire
from tests.caller import Api, json_of

pytestmark = pytest.mark.sqlite  # the description is the same on PostgreSQL

SHAPES: dict[str, type] = {
    "BatchItemRequest": types.Notification,
    "Accepted": types.Accepted,
    "Cancelled": types.Cancelled,
    "NotificationRow": types.NotificationRow,
    "NotificationDetail": types.NotificationDetail,
    "DecisionShape": types.Decision,
    "AttemptRow": types.Attempt,
    "Delivery": types.Delivery,
    "PaginatedNotificationRowList": types.Page,
    "QuietHours": people.QuietHours,
    "CapShape": people.Cap,
    "ChoiceShape": people.Choice,
    "PreferencesShape": people.Preferences,
    "ForetoldShape": people.Foretold,
    "SuppressionShape": people.Suppression,
    "PaginatedSuppressionShapeList": people.SuppressionPage,
    "QuietHoursRequest": people.QuietHours,
    "CapShapeRequest": people.Cap,
    "ChoiceChangeRequest": people.ChoiceChange,
    "PatchedPreferencesChangeRequest": people.PreferencesChange,
    "SuppressionEntryRequest": people.SuppressionEntry,
}
QUERIES = {
    "list_notifications": types.Query,
    "list_suppressions": people.SuppressionQuery,
    "explain": people.ExplainQuery,
}
CALLS = {
    "submit_notification": "send",
    "submit_notifications": "send_many",
    "read_notification": "read",
    "cancel_notification": "cancel",
    "list_notifications": "list_page",
    "read_preferences": "read_preferences",
    "change_preferences": "change_preferences",
    "link_preferences": "link_preferences",
    "explain": "explain",
    "list_suppressions": "list_suppressions",
    "suppress": "suppress",
    "lift_suppression": "lift_suppression",
}
# The tags of the calls that it has. Of those for users it has preferences alone: the directory is left out.
TAGS = ("notifications", "recipients", "suppressions")
TEXTS = {"uuid": UUID, "date-time": datetime}
PLAIN = {"string": str, "integer": int, "boolean": bool}


@pytest.fixture
def description(api: Api) -> Any:
    return json_of(api.get("/schema"))


def operations(description: Any) -> dict[str, Any]:
    """The calls for notifications and for those who receive them, by their names."""
    calls = [call for methods in description["paths"].values() for call in methods.values()]
    named = {call["operationId"]: call for call in calls}
    return {name: call for name, call in named.items() if call["tags"][0] in TAGS or name.endswith("_preferences")}


def kind_of(described: Any, description: Any) -> tuple[Any, bool]:
    """The Python type of a property, without None, and whether it may be null. Enums are sets of words."""
    nullable = bool(described.get("nullable"))
    for wrapped in described.get("allOf", ()):
        described = wrapped
    if "$ref" in described:
        name = described["$ref"].rpartition("/")[2]
        if name in SHAPES:
            return SHAPES[name], nullable
        described = description["components"]["schemas"][name]
    if "enum" in described:
        return set(described["enum"]), nullable
    if described["type"] == "array":
        return SHAPES[described["items"]["$ref"].rpartition("/")[2]], nullable
    if described["type"] == "object":
        return kind_of(described["additionalProperties"], description)
    return TEXTS.get(described.get("format", ""), PLAIN[described["type"]]), nullable


def kind_in_client(hint: Any) -> tuple[Any, bool]:
    """The same of a type hint of the client. A tuple or a sequence is the type of its items."""
    if get_origin(hint) in (Union, python_types.UnionType):
        (hint,) = [each for each in get_args(hint) if each is not type(None)]
        return kind_in_client(hint)[0], True
    if get_origin(hint) is Literal:
        return set(get_args(hint)), False
    if get_origin(hint) is Mapping:
        return kind_in_client(get_args(hint)[1])
    return get_args(hint)[0] if get_origin(hint) in (tuple, Sequence) else hint, False


def test_every_call_is_a_method_of_both_clients(description: Any) -> None:
    assert set(operations(description)) == {*CALLS}
    for client in (Client, AsyncClient):
        assert set(CALLS.values()) <= set(vars(client))
    of_both = [
        {name: str(inspect.signature(member)) for name, member in vars(client).items() if inspect.isfunction(member)}
        for client in (Client, AsyncClient)
    ]
    for name in ("__init__", *CALLS.values()):
        assert of_both[0][name] == of_both[1][name]


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "BatchItemRequest"])
def test_shapes_have_the_fields_and_types_that_are_described(description: Any, name: str) -> None:
    schema = description["components"]["schemas"][name]
    described = {field: kind_of(each, description) for field, each in schema["properties"].items()}
    if dataclasses.is_dataclass(SHAPES[name]):  # in which None stands for what is left out
        described |= {field: (described[field][0], True) for field in {*described} - {*schema["required"]}}
    assert {field: kind_in_client(hint) for field, hint in get_type_hints(SHAPES[name]).items()} == described


def test_a_notification_has_the_fields_and_types_of_a_request(description: Any) -> None:
    schema = description["components"]["schemas"]["BatchItemRequest"]
    described = {field: kind_of(each, description)[0] for field, each in schema["properties"].items()}
    hints = get_type_hints(types.Notification)
    assert {field: kind_in_client(hint)[0] for field, hint in hints.items()} == described
    required = {field.name for field in dataclasses.fields(types.Notification) if field.default is dataclasses.MISSING}
    assert required == set(schema["required"])
    header = {parameter["name"] for parameter in operations(description)["submit_notification"]["parameters"]}
    assert header == {"Idempotency-Key"}


@pytest.mark.parametrize("call", QUERIES)
def test_all_can_be_asked_for_that_is_described(description: Any, call: str) -> None:
    parameters = operations(description)[call]["parameters"]
    described = {each["name"]: kind_of(each["schema"], description)[0] for each in parameters}
    assert {name: kind_in_client(hint)[0] for name, hint in get_type_hints(QUERIES[call]).items()} == described


def test_parts_are_within_the_limits_of_a_batch(description: Any) -> None:
    items = description["components"]["schemas"]["BatchRequest"]["properties"]["notifications"]
    assert items["maxItems"] == wire.MAX_ITEMS
    large = types.Notification(message="é" * 100_000)
    found = [[item for _, item in part] for part in wire.parts([large] * 20)]
    bodies = [wire.BEFORE + b",".join(part) + wire.AFTER for part in found]
    assert [len(part) for part in found] == [8, 8, 4]
    assert max(map(len, bodies)) <= wire.MAX_BYTES
    assert len(bodies[0]) + len(found[0][0]) + 1 > wire.MAX_BYTES
