"""Who may call: `Authorization: Bearer <API key>`, and the scopes of that key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, cast

from django.conf import settings
from django.contrib.auth import get_user
from django.db import Error as DatabaseProblem
from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed, NotAuthenticated, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from users.access.keys import LOCAL, Caller, ring

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module

CHALLENGE = 'Bearer realm="notifications"'


class HasHeaders(Protocol):
    """A request, be it Django's or the REST framework's or that of project/short_way.py."""

    META: dict[str, Any]  # as Django names it


class CannotCheck(APIException):
    """The database that knows the key, or counts what it uses up, does not answer."""

    status_code = 503
    default_code = "unavailable"
    default_detail = "API keys cannot be checked at the moment. Try again."
    wait = 5


def identify(request: HasHeaders) -> Caller:
    """The caller, whose key has one request less this minute.

    Raises NotAuthenticated, AuthenticationFailed, CannotCheck or OverLimit.
    """
    header = request.META.get("HTTP_AUTHORIZATION")
    if header is None:
        if not settings.API_KEYS_REQUIRED and _is_local(request):
            return LOCAL
        raise NotAuthenticated("An API key is required: Authorization: Bearer <API key>.")
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise AuthenticationFailed("Must be: Authorization: Bearer <API key>.")
    try:
        caller = ring.caller_of(key.strip())
        if caller and caller.requests:
            caller.requests.spend()
    except DatabaseProblem as error:
        raise CannotCheck from error
    if caller is None:
        raise AuthenticationFailed("The API key is unknown, revoked or expired.")
    return caller


def caller_of(request: Request) -> Caller:
    """The caller of an authenticated request."""
    return cast("Caller", request.auth)


def require(caller: Caller, scope: str) -> None:
    """Raises PermissionDenied where the caller's key lacks the scope."""
    if scope not in caller.scopes:
        raise PermissionDenied(f"The API key lacks the scope '{scope}'.")


def require_channels(caller: Caller, channels: Iterable[str]) -> None:
    """Raises PermissionDenied where the caller's key may not send on one of them."""
    if caller.channels is not None and (others := sorted(set(channels) - caller.channels)):
        allowed = ", ".join(sorted(caller.channels))
        raise PermissionDenied(f"The API key may send on {allowed} alone, not on {', '.join(others)}.")


def knows_users(caller: Caller) -> bool:
    """Returns True where the caller may read the directory: its people and their addresses."""
    return "users" in caller.scopes


def _is_local(request: HasHeaders) -> bool:
    """Returns True where the request comes from this machine. Behind a proxy every request would seem to."""
    address = request.META.get("REMOTE_ADDR", "").removeprefix("::ffff:")
    forwarded = "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META
    return not forwarded and (address.startswith("127.") or address == "::1")


class ApiKeyAuthentication(TokenAuthentication):
    """The caller as `request.auth`."""

    keyword = "Bearer"  # for the OpenAPI description

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        caller = identify(request)
        return caller, caller


class StaffOrApiKey(ApiKeyAuthentication):
    """For the pages that people open in a browser: a staff session will do as well."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        user = get_user(request)
        if user.is_active and user.is_staff:
            return user, None
        return super().authenticate(request)


class HasScope(BasePermission):
    """The view's `scopes` say which scope each method needs; a method without one is answered 405."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        scope = getattr(view, "scopes", {}).get("GET" if request.method == "HEAD" else request.method)
        if scope is not None:
            require(caller_of(request), scope)
        return True
