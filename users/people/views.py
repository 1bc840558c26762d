"""PUT, GET and DELETE /users/<username>, GET /users: the directory, kept by the main application."""

from __future__ import annotations

from typing import Annotated, ClassVar

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from msgspec import UNSET, UnsetType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from notifications.messages.explain import Invalid
from project.web.body import read_body
from project.web.openapi import BODY, refusals
from project.web.paging import ByUsername, PagedList
from project.web.query import PageQuery, cursor
from users.access.authentication import caller_of
from users.people import directory
from users.people.models import User
from users.people.schemas import UserEntry, UserShape

USERNAME = OpenApiParameter(
    "username", OpenApiTypes.STR, OpenApiParameter.PATH, description="The main application's id of the user."
)
ANN = {
    "name": "Ann",
    "devices": [{"type": "EMAIL", "address": "ann@example.com"}, {"type": "SMS", "address": "+4915112345678"}],
}


class UserDetail(APIView):
    """One user. Needs the scope `users`, as does the list: an administrator's, over all users of all clients."""

    scopes: ClassVar = {"GET": "users", "PUT": "users", "DELETE": "users"}

    @extend_schema(
        operation_id="read_user",
        tags=["users"],
        summary="A user and their devices",
        parameters=[USERNAME],
        responses={200: UserShape, **refusals(404)},
    )
    def get(self, _request: Request, username: str) -> Response:
        _check(username)
        user = User.objects.prefetch_related("devices").filter(username=username).first()
        if user is None:
            raise Http404
        return Response(UserShape(user).data)

    @extend_schema(
        operation_id="put_user",
        tags=["users"],
        summary="Make or replace a user",
        description=(
            "The name and the devices are from now on those of the body, for all clients: they share the directory. "
            "The change is recorded with the API key."
        ),
        parameters=[USERNAME],
        request=UserEntry,
        responses={200: UserShape, 201: UserShape, **refusals(404, *BODY)},
        examples=[OpenApiExample("Ann", value=ANN, request_only=True)],
    )
    def put(self, request: Request, username: str) -> Response:
        entry = directory.read_entry(read_body(request))
        if problem := directory.username_problem(username):
            raise Invalid({"username": [problem]})
        user, created = directory.put(username, entry, caller_of(request).actor)
        return Response(UserShape(user).data, status=201 if created else 200)

    @extend_schema(
        operation_id="delete_user",
        tags=["users"],
        summary="Delete a user",
        description="Their notifications stay.",
        parameters=[USERNAME],
        responses={204: None, **refusals(404)},
    )
    def delete(self, request: Request, username: str) -> Response:
        _check(username)
        directory.delete(username, caller_of(request).actor)
        return Response(status=204)


class UserQuery(PageQuery, frozen=True, kw_only=True):
    """What `GET /users` takes."""

    cursor: Annotated[str, cursor(r"[^\s/\x00-\x1f\x7f]{1,150}")] | UnsetType = UNSET


@extend_schema_view(
    get=extend_schema(
        operation_id="list_users",
        tags=["users"],
        summary="All users, by username",
        responses={200: UserShape(many=True), **refusals(400)},
    )
)
class UserList(PagedList[User]):
    """All users, by username."""

    scopes: ClassVar = {"GET": "users"}
    queryset = User.objects.prefetch_related("devices")
    serializer_class = UserShape
    pagination_class = ByUsername
    shape = UserQuery


def _check(username: str) -> None:
    """A name that no user can have is not even looked up: databases refuse some of them."""
    if directory.username_problem(username):
        raise Http404
