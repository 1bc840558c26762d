"""GET /users/<username>/export, POST and GET /users/<username>/forget: all about one person, read or erased."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications.models import Job
from project.privacy import export, forget, person
from project.web.errors import JSON
from project.web.openapi import refusals
from project.web.pieces import Pieces
from users.access.authentication import caller_of
from users.people.directory import username_problem
from users.people.views import USERNAME


class ForgettingShape(serializers.Serializer[Any]):
    """How far the erasure of a person is."""

    job = serializers.IntegerField(help_text="The number of the job, as the admin has it.")
    state = serializers.ChoiceField(choices=Job.State.choices)
    asked_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class ExportUser(APIView):
    """All about one person, as JSON."""

    scopes: ClassVar = {"GET": "users"}

    @extend_schema(
        operation_id="export_user",
        tags=["users"],
        summary="All about one person",
        description="Their entry, and each notification to them of every client with its texts. Recorded with the key.",
        parameters=[USERNAME],
        responses={200: OpenApiTypes.OBJECT, **refusals(404)},
    )
    def get(self, request: Request, username: str) -> Pieces:
        _check(username)
        found = person.find(username)
        if not found.is_known():
            raise Http404
        export.note(found, caller_of(request).actor)
        return Pieces(export.export(found), content_type=JSON)


class ForgetUser(APIView):
    """Erases all about one person, and says how far that is."""

    scopes: ClassVar = {"GET": "users", "POST": "users"}

    @extend_schema(
        operation_id="forget_user",
        tags=["users"],
        summary="Erase all about one person",
        description=(
            "They leave the directory and nothing more goes to them, at once. A job erases their addresses and texts, "
            "and looks again after a minute. Works for who has left the directory before, too. Recorded with the key."
        ),
        parameters=[USERNAME],
        request=None,
        responses={202: ForgettingShape, **refusals(404)},
    )
    def post(self, request: Request, username: str) -> Response:
        _check(username)
        return Response(asdict(forget.begin(username, caller_of(request).actor)), status=202)

    @extend_schema(
        operation_id="read_forgetting",
        tags=["users"],
        summary="How far the erasure of a person is",
        parameters=[USERNAME],
        responses={200: ForgettingShape, **refusals(404)},
    )
    def get(self, _request: Request, username: str) -> Response:
        _check(username)
        standing = forget.standing(username)
        if standing is None:
            raise Http404
        return Response(asdict(standing))


def _check(username: str) -> None:
    """A name that no user can have is not even looked up: databases refuse some of them."""
    if username_problem(username):
        raise Http404
