"""GET /categories; GET, PUT and DELETE /categories/<name>: what each kind of notification means to people."""

from __future__ import annotations

from typing import ClassVar

from django.http import Http404, HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from notifications.models import Category
from project.web.body import read_body
from project.web.errors import json_response
from project.web.openapi import BODY, refusals
from users.access.authentication import caller_of
from users.recipients import categories
from users.recipients.schemas import CategoryEntry, CategoryList, CategoryShape

NAME = OpenApiParameter("name", OpenApiTypes.STR, OpenApiParameter.PATH, description="As notifications name it.")
MAX_BODY = 1024 * 1024  # bytes
NEWS = {"class": "promotional", "channels": ["EMAIL"], "digest": {"at": "08:00"}, "late": "expire"}


class Categories(APIView):
    """All categories."""

    scopes: ClassVar = {"GET": "configure"}

    @extend_schema(
        operation_id="list_categories",
        tags=["categories"],
        summary="All categories, by name",
        responses={200: CategoryList, **refusals()},
    )
    def get(self, _request: Request) -> HttpResponse:
        found = Category.objects.order_by("name")[: categories.MOST * 2]
        return json_response(200, {"categories": [{"name": each.name} | categories.shown(each) for each in found]})


class OneCategory(APIView):
    """One category. All clients share them."""

    scopes: ClassVar = dict.fromkeys(("GET", "PUT", "DELETE"), "configure")

    @extend_schema(
        operation_id="read_category",
        tags=["categories"],
        summary="What a category says",
        parameters=[NAME],
        responses={200: CategoryShape, **refusals(404)},
    )
    def get(self, _request: Request, name: str) -> HttpResponse:
        category = Category.objects.filter(name=name).first() if categories.name_is_possible(name) else None
        if category is None:
            raise Http404
        return json_response(200, categories.shown(category))

    @extend_schema(
        operation_id="put_category",
        tags=["categories"],
        summary="Make or replace a category",
        description=(
            "What is left out has its default. It counts for all clients, and for what waits at its next claim. The "
            "change is recorded with the API key."
        ),
        parameters=[NAME],
        request=CategoryEntry,
        responses={200: CategoryShape, 201: CategoryShape, **refusals(404, *BODY)},
        examples=[OpenApiExample("News in the morning", value=NEWS, request_only=True)],
    )
    def put(self, request: Request, name: str) -> HttpResponse:
        values = categories.read(read_body(request, MAX_BODY))
        category, created = categories.put(name, values, caller_of(request).actor)
        return json_response(201 if created else 200, categories.shown(category))

    @extend_schema(
        operation_id="delete_category",
        tags=["categories"],
        summary="Delete a category",
        description="What people chose for it stays, and counts again should it be made again. Not for `default`.",
        parameters=[NAME],
        responses={204: None, **refusals(400, 404)},
    )
    def delete(self, request: Request, name: str) -> HttpResponse:
        if not categories.name_is_possible(name):
            raise Http404
        categories.delete(name, caller_of(request).actor)
        return HttpResponse(status=204)
