"""What the OpenAPI description says of every call: its errors."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse
from rest_framework import serializers

OVER_LIMIT = {"detail": "The API key may have 60 requests a minute. Nothing was accepted.", "code": "over_limit"}
REASONS = {
    400: ("The request is refused; nothing was stored.", {"receiver": ["This field is required."]}),
    401: ("No API key, or an unknown one.", {"detail": "The API key is unknown.", "code": "authentication_failed"}),
    403: ("The API key lacks the scope.", {"detail": "The API key lacks the scope.", "code": "permission_denied"}),
    404: ("There is no such thing.", {"detail": "Not found.", "code": "not_found"}),
    409: ("The idempotency key was used with another body.", {"idempotency_key": ["Was used with another body."]}),
    411: ("The server needs a Content-Length.", {"detail": "A length is needed.", "code": "length_required"}),
    413: ("The body or a record is too large.", {"detail": "The body is over 6 MiB.", "code": "too_large"}),
    415: ("Not JSON.", {"detail": "Must be application/json.", "code": "unsupported_media_type"}),
    429: ("Over a limit of the API key; nothing was accepted. See Retry-After and RateLimit.", OVER_LIMIT),
    503: ("Try again, after Retry-After.", {"detail": "The database does not answer.", "code": "unavailable"}),
}
COMMON = (401, 403, 429, 503)
BODY = (400, 411, 413, 415)


class Errors(serializers.Serializer[Any]):
    """Either by field (`{"field": ["why"]}`, in a batch `{"notifications": {"3": {"receiver": ["why"]}}}`), or this."""

    detail = serializers.CharField(required=False)
    code = serializers.CharField(required=False)


def refusals(*statuses: int) -> dict[int, OpenApiResponse]:
    """The error answers of a call that needs an API key."""
    return {
        status: OpenApiResponse(
            Errors,
            description=REASONS[status][0],
            examples=[OpenApiExample(REASONS[status][0], value=REASONS[status][1])],
        )
        for status in sorted({*statuses, *COMMON})
    }
