"""Which way a request takes is what the list of URLs says, and a view on the wrong way fails a check."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import clear_url_caches, include, path, re_path
from pytest_django import Settings
from rest_framework.views import APIView

from project import urls
from project.web import calls


class Call(APIView):
    """A call that somebody adds."""


def page(_request: HttpRequest) -> HttpResponse:
    return HttpResponse()


@pytest.fixture
def listed(settings: Settings) -> Iterator[Any]:
    """A function that adds routes to the list of URLs, before the one that takes all."""

    def forget() -> None:
        clear_url_caches()
        calls.prefixes.cache_clear()
        calls.fixed_paths.cache_clear()

    def listed(*routes: Any) -> None:
        more: Any = ModuleType("more")
        more.urlpatterns = [*routes, *urls.urlpatterns]
        settings.ROOT_URLCONF = more
        forget()

    yield listed
    forget()


def test_the_paths_of_the_calls_are_those_of_the_list() -> None:
    words = "callbacks categories explain health metrics notification notifications suppressions users"
    assert calls.prefixes() == tuple(f"/{word}" for word in words.split())
    assert {"/notification", "/notifications", "/users"} <= calls.fixed_paths()
    assert "/docs" not in calls.fixed_paths(), "which members of staff read in their session"
    assert calls.check() == []


def test_a_new_call_takes_the_short_way_without_a_further_line(listed: Any) -> None:
    listed(path("receipts/<str:id>", Call.as_view()))
    assert "/receipts" in calls.prefixes()
    assert calls.check() == []


@pytest.mark.parametrize(
    "route",
    [
        path("users/export", page),
        path("usersexport", page),
        path("notifications/", include([path("page", page)])),
        path("v2/", include([path("receipts", Call.as_view())])),
        re_path(r"^receipts$", Call.as_view()),
        path("<str:anything>", Call.as_view()),
    ],
    ids=lambda route: str(route.pattern),
)
def test_a_view_on_the_wrong_way_is_an_error(listed: Any, route: Any) -> None:
    listed(route)
    assert {error.id for error in calls.check()} == {"project.E001"}
