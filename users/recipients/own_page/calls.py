"""POST /users/<username>/preferences/link: the address of a person's own page."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from project.web.errors import json_response
from project.web.openapi import Errors, refusals
from users.people.views import USERNAME
from users.recipients.own_page.links import token_of
from users.recipients.own_page.views import PATH
from users.recipients.schemas import PageLink
from users.recipients.views import require_person

NO_URL = OpenApiResponse(Errors, description="Nobody knows under which address people reach this platform.")


class PageOf(APIView):
    """A person's own page."""

    scopes: ClassVar = {"POST": "users"}

    @extend_schema(
        operation_id="link_preferences",
        tags=["users"],
        summary="The address of a person's own page",
        description=(
            "Whoever has it sees and changes what the person chose, without a log-in, for 90 days: give it to them "
            "alone. 409 where `PUBLIC_URL` is not set."
        ),
        parameters=[USERNAME],
        request=None,
        responses={200: PageLink, **refusals(404), 409: NO_URL},
    )
    def post(self, request: Request, username: str) -> HttpResponse:
        require_person(username)
        base = settings.PUBLIC_URL or (f"{request.scheme}://{request.get_host()}" if settings.EMBEDDED else "")
        if not base:
            why = "PUBLIC_URL is not set, so nobody knows under which address people reach this platform."
            return json_response(409, {"detail": why, "code": "no_public_url"})
        return json_response(200, {"url": f"{base}{PATH}{token_of(username)}"})
