"""Which paths are calls of the API, as the list of URLs says; and a check that nothing else is among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from django.core import checks
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from users.access.authentication import StaffOrApiKey

Route = tuple[str, URLPattern | URLResolver]  # with what stands before it, such as admin/search/


@cache
def prefixes() -> tuple[str, ...]:
    """What the paths of all calls begin with, such as /notification."""
    words = {route.partition("/")[0] for route in _listed()}
    return tuple(f"/{word}" for word in sorted(words) if word and "<" not in word)


@cache
def fixed_paths() -> frozenset[str]:
    """The paths of those calls that have no parameter in them."""
    return frozenset(f"/{route}" for route in _listed() if "<" not in route)


def check(**_: Any) -> list[checks.CheckMessage]:
    """Returns an error for each view that would be called in the wrong way; a check of Django's.

    Under the prefixes no session, cookie or CSRF token is looked at. A page there would take everybody for signed
    out, and its forms from anywhere. A call elsewhere would cost twice as much.
    """
    return [
        checks.Error(f"/{route} {_what_is_wrong(pattern)}", id="project.E001")
        for route, pattern in _routes(get_resolver().url_patterns)
        if _is_call(pattern) is not f"/{route}".startswith(prefixes())
    ]


def _what_is_wrong(pattern: URLPattern | URLResolver) -> str:
    if _is_call(pattern):
        return "is a call of the API: list it in project/urls.py with path(), beginning with a fixed word."
    return "stands among the calls of the API and is none: it would have no session. Give it another first word."


def _listed() -> list[str]:
    patterns = get_resolver().url_patterns
    return [str(p.pattern) for p in patterns if _is_call(p) and isinstance(p.pattern, RoutePattern)]


def _routes(patterns: Iterable[URLPattern | URLResolver], before: str = "") -> Iterator[Route]:
    """Every route there is, those of included lists too."""
    for pattern in patterns:
        route = f"{before}{pattern.pattern}"
        yield route, pattern
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)


def _is_call(pattern: URLPattern | URLResolver) -> bool:
    """True for a view of the REST framework, unless a member of staff may read it in their session."""
    view = getattr(getattr(pattern, "callback", None), "cls", None)
    return view is not None and StaffOrApiKey not in view.authentication_classes
