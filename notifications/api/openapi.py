"""What the OpenAPI description says of each call: parameters, answers and examples."""

from __future__ import annotations

from typing import Any

import msgspec
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from notifications.api import schemas
from notifications.channels import channel_class, channel_names
from notifications.messages.draft import MAX_BATCH, Batch, BatchDraft, Draft
from notifications.messages.fields import LONGEST_KEY
from notifications.messages.words import PRIORITIES
from project.web.openapi import BODY, refusals

ID = "019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e"
CHANNELS = {name: channel_class(name) for name in channel_names()}
TO_USER = {"user": "ann", "message": "Hello Ann"}
TO_RECEIVERS = {
    name: {"type": name, "message": "Hello World", "receiver": channel.example}
    for name, channel in CHANNELS.items()
    if channel.example
}
EVERYTHING = {
    "subject": "Your order",
    "message": "It is on its way.",
    "html": "<p>It is on its way.</p>",
    "category": "default",
    "reference": "order-4711",
    "expires_at": "2099-01-31T12:00:00Z",
}
WITH_EVERYTHING = [
    example | EVERYTHING
    for name, example in TO_RECEIVERS.items()
    if CHANNELS[name].takes_subject and CHANNELS[name].takes_html
]

TOO_LATE = OpenApiExample(
    "It is being sent.", value={"detail": "It is too late: it is being sent.", "code": "too_late", "status": "sending"}
)
LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[202], description="Where its status is."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    OpenApiParameter.HEADER,
    description="Repeating a request with the same key and body gives the same id and sends once.",
)

SUBMIT_ONE: dict[str, Any] = {
    "operation_id": "submit_notification",
    "tags": ["notifications"],
    "summary": "Send a notification",
    "description": (
        "Answers 202 once the notification is durable, with `suppressed` where nothing is sent to its address. "
        "Scope `send`."
    ),
    "parameters": [IDEMPOTENCY_KEY, LOCATION],
    "request": {"application/json": {"$ref": "#/components/schemas/SubmissionRequest"}},
    "responses": {202: schemas.Accepted, **refusals(*BODY, 409)},
    "examples": [
        *(OpenApiExample(name, value=example, request_only=True) for name, example in TO_RECEIVERS.items()),
        *(OpenApiExample("With everything", value=example, request_only=True) for example in WITH_EVERYTHING[:1]),
        OpenApiExample("To a user's first device", value=TO_USER, request_only=True),
        OpenApiExample("Accepted", value={"id": ID, "status": "accepted"}, response_only=True, status_codes=["202"]),
        OpenApiExample(
            "Accepted, and will be suppressed",
            value={"id": ID, "status": "accepted", "suppressed": "stop"},
            response_only=True,
            status_codes=["202"],
        ),
    ],
}
SUBMIT_BATCH: dict[str, Any] = {
    "operation_id": "submit_notifications",
    "tags": ["notifications"],
    "summary": f"Send up to {MAX_BATCH:,} notifications",
    "description": (
        "All are accepted, or none. After a 503 nothing is promised, yet some may be sent: repeat with an "
        "`idempotency_key` in each item. At most 5 MiB. Scope `send`."
    ),
    "request": {"application/json": {"$ref": "#/components/schemas/BatchRequest"}},
    "responses": {202: schemas.AcceptedBatch, **refusals(*BODY, 409)},
    "examples": [
        OpenApiExample(
            "Two",
            value={
                "notifications": [*list(TO_RECEIVERS.values())[:1], {**TO_USER, "idempotency_key": "order-4711/ann"}]
            },
            request_only=True,
        ),
        OpenApiExample(
            "Both accepted",
            value={"notifications": [{"id": ID, "status": "accepted"}, {"id": ID[:-1] + "f", "status": "accepted"}]},
            response_only=True,
            status_codes=["202"],
        ),
    ],
}
READ_ONE: dict[str, Any] = {
    "operation_id": "read_notification",
    "tags": ["notifications"],
    "summary": "Where a notification stands",
    "description": (
        "A client sees what was sent with keys of its own client name. 404 with code `not_yet_known`: one that was "
        "accepted appears when a sender claims it; one sent with an idempotency key is known at once. The address of a "
        "`user` is masked unless the API key has the scope `users`. Scope `read`."
    ),
    "parameters": [OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)],
    "responses": {200: schemas.NotificationDetail, **refusals(404)},
}
CANCEL: dict[str, Any] = {
    "operation_id": "cancel_notification",
    "tags": ["notifications"],
    "summary": "Cancel a notification that is not being sent yet",
    "description": (
        "200: nothing was sent, and nothing will be; the same when it is asked again. It works as soon as the "
        "notification is accepted. 409: it is being sent, has ended otherwise, or may have arrived. Scope `send`."
    ),
    "parameters": [OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)],
    "responses": {
        200: schemas.Cancelled,
        **refusals(404),
        409: OpenApiResponse(schemas.TooLate, description="It is too late.", examples=[TOO_LATE]),
    },
}
EXPLAIN: dict[str, Any] = {
    "operation_id": "explain",
    "tags": ["recipients"],
    "summary": "Would somebody get it, when, and why not?",
    "description": (
        "The decision of a sender about a notification to a `user`, on the preferred of their devices or that of a "
        "`type`, or to a `receiver` of a `type`; by what is known now. Scope `read`."
    ),
    "responses": {200: schemas.ForetoldShape, **refusals(400, 404)},
}
LIST: dict[str, Any] = {
    "operation_id": "list_notifications",
    "tags": ["notifications"],
    "summary": "The notifications of this client, newest first",
    "description": (
        "Filters are exact and all must hold. A page looks at the newest 10,000 rows of all clients, so it may hold "
        "fewer than `page_size`, or none: `next` goes on from there until it is null. Scope `read`."
    ),
    "responses": {200: schemas.NotificationRow(many=True), **refusals(400)},
}


# What the requests are called in the description, and so in generated clients.
REQUESTS = {"Draft": "SubmissionRequest", "BatchDraft": "BatchItemRequest", "Batch_BatchDraft_": "BatchRequest"}


def describe_requests(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's hook: what goes in is described by the types that read it, and by the channels' rules."""
    schemas = result["components"]["schemas"]
    kinds = (Draft, BatchDraft, Batch[BatchDraft])
    _references, found = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for name, schema in found.items():
        described = schemas[REQUESTS[name]] = _as_3_0(schema)
        if "type" in described["properties"]:
            add_what_channels_say(described["properties"])
            schemas["PriorityEnum"] = {"type": "string", "enum": list(PRIORITIES)}
            described["properties"]["priority"] = {"$ref": "#/components/schemas/PriorityEnum"}
    for call in (SUBMIT_ONE, SUBMIT_BATCH):
        body_of(result, call)["required"] = True
    for name in ("UserEntryRequest", "DeviceShapeRequest"):
        schemas[name]["additionalProperties"] = False
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result


def body_of(result: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    """Returns the description of a call's body."""
    posts = (methods["post"] for methods in result["paths"].values() if "post" in methods)
    body: dict[str, Any] = next(post["requestBody"] for post in posts if post["operationId"] == call["operation_id"])
    return body


def add_what_channels_say(properties: dict[str, Any]) -> None:
    """Adds the channels' names and limits to the properties of a request."""
    properties["type"] = {"$ref": "#/components/schemas/TypeEnum"}
    for field, limits in _limits().items():
        described = properties[field]
        described["description"] = " ".join([limits, described.get("description", "")]).strip()


def _limits() -> dict[str, str]:
    """Returns what the channels take, by field."""
    with_subject = [name for name, channel in CHANNELS.items() if channel.takes_subject]
    with_html = [name for name, channel in CHANNELS.items() if channel.takes_html]
    return {
        "message": ", ".join(f"{name} ≤ {channel.max_message}" for name, channel in CHANNELS.items()) + ".",
        "subject": f"{', '.join(with_subject)} only.",
        "html": f"{', '.join(with_html)} only, and no longer than a message.",
    }


def _as_3_0(schema: Any) -> Any:
    """Returns msgspec's JSON schema as OpenAPI 3.0 has it: under our names, and `nullable` instead of the type null."""
    if isinstance(schema, list):
        return [_as_3_0(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        path, _, name = schema["$ref"].rpartition("/")
        return {"$ref": f"{path}/{REQUESTS[name]}"}
    described = {key: _as_3_0(value) for key, value in schema.items() if key != "title" and value not in ("", None)}
    values = [each for each in described.pop("anyOf", []) if each != {"type": "null"}]
    return {**(values[0] | {"nullable": True} if values else {}), **described}


def name_the_words(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's hook: what generated clients call the values of enums, and the empty one where it is a value.

    Go has one namespace for all of a package's constants, and several of our enums have the word `throttled`.
    """
    for name, schema in result["components"]["schemas"].items():
        if name in ("Reason", "Cause"):
            schema["enum"] = ["", *schema["enum"]]
        if "enum" in schema:
            prefix = name.removesuffix("Enum").upper()
            schema["x-enum-varnames"] = [f"{prefix}_{_constant(value) or 'NONE'}" for value in schema["enum"]]
    return result


def _constant(value: str) -> str:
    return value.upper().replace("-", "_")
