"""What the OpenAPI description says of each call: parameters, answers and examples."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter

from notifications.api import schemas
from project.web.openapi import BODY, refusals

ID = "019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e"
EMAIL = {"type": "EMAIL", "message": "Hello World", "receiver": "test@gmail.com"}
LETTER = {
    "type": "EMAIL",
    "receiver": "test@gmail.com",
    "subject": "Your order",
    "message": "It is on its way.",
    "html": "<p>It is on its way.</p>",
    "category": "orders",
    "reference": "order-4711",
    "expires_at": "2099-01-31T12:00:00Z",
}
TO_USER = {"user": "ann", "message": "Hello Ann"}

LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[202], description="Where its status is."
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    OpenApiParameter.HEADER,
    description="Repeating a request with the same key and body gives the same id and sends once.",
)

SUBMIT_ONE: dict[str, Any] = {
    "operation_id": "submit_notification",
    "tags": ["notifications"],
    "summary": "Send a notification",
    "description": "Answers 202 once the notification is durable. Scope `send`.",
    "parameters": [IDEMPOTENCY_KEY, LOCATION],
    "request": schemas.Submission,
    "responses": {202: schemas.Accepted, **refusals(*BODY, 409)},
    "examples": [
        OpenApiExample("E-mail", value=EMAIL, request_only=True),
        OpenApiExample("With everything", value=LETTER, request_only=True),
        OpenApiExample("To a user's first device", value=TO_USER, request_only=True),
        OpenApiExample("Accepted", value={"id": ID, "status": "accepted"}, response_only=True, status_codes=["202"]),
    ],
}
SUBMIT_BATCH: dict[str, Any] = {
    "operation_id": "submit_notifications",
    "tags": ["notifications"],
    "summary": "Send up to 5,000 notifications",
    "description": (
        "All are accepted, or none. After a 503 nothing is promised, yet some may be sent: repeat with an "
        "`idempotency_key` in each item. At most 5 MiB. Scope `send`."
    ),
    "request": schemas.Batch,
    "responses": {202: schemas.AcceptedBatch, **refusals(*BODY, 409)},
    "examples": [
        OpenApiExample(
            "Two",
            value={"notifications": [EMAIL, {**TO_USER, "idempotency_key": "order-4711/ann"}]},
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


def refuse_unknown_fields(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's hook: requests take no other fields than those described."""
    for name in ("SubmissionRequest", "BatchItemRequest", "BatchRequest", "UserEntryRequest", "DeviceShapeRequest"):
        result["components"]["schemas"][name]["additionalProperties"] = False
    return result


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
