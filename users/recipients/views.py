"""GET and PATCH /users/<username>/preferences: what a person chose, one cell at a time."""

from __future__ import annotations

from typing import ClassVar

from django.http import Http404, HttpResponse
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from project.web.body import read_body
from project.web.errors import json_response
from project.web.openapi import BODY, refusals
from users.access.addresses import client_address
from users.access.authentication import caller_of
from users.people.directory import username_problem
from users.people.models import User
from users.people.views import USERNAME
from users.recipients import preferences
from users.recipients.preferences import Source
from users.recipients.schemas import PreferencesChange, PreferencesShape
from users.recipients.wishes import read_changes, shown

MAX_BODY = 1024 * 1024  # bytes
EXAMPLE = {
    "quiet": {"start": "22:00", "end": "07:00"},
    "choices": [{"category": "news", "channel": "SMS", "choice": "off"}],
}


class PreferencesOf(APIView):
    """What one person chose."""

    scopes: ClassVar = {"GET": "users", "PATCH": "users"}

    @extend_schema(
        operation_id="read_preferences",
        tags=["users"],
        summary="What a person chose",
        parameters=[USERNAME],
        responses={200: PreferencesShape, **refusals(404)},
    )
    def get(self, _request: Request, username: str) -> HttpResponse:
        require_person(username)
        return json_response(200, shown(preferences.of(username)))

    @extend_schema(
        operation_id="change_preferences",
        tags=["users"],
        summary="Change some of what a person chose",
        description=(
            "What is not named stays as it is. A choice with `null` is removed, so that what the category does by "
            "default counts again. Each change is recorded with the API key."
        ),
        parameters=[USERNAME],
        request=PreferencesChange,
        responses={200: PreferencesShape, **refusals(404, *BODY)},
        examples=[OpenApiExample("No news by text", value=EXAMPLE, request_only=True)],
    )
    def patch(self, request: Request, username: str) -> HttpResponse:
        require_person(username)
        changes = read_changes(read_body(request, MAX_BODY))
        who = {"actor": caller_of(request).actor, "address": client_address(request) or ""}
        return json_response(200, shown(preferences.change(username, changes, source=Source.API, **who)))


def require_person(username: str) -> None:
    """Raises Http404 for somebody who is not in the directory."""
    if username_problem(username) or not User.objects.filter(username=username).exists():
        raise Http404
