"""Every error of a call as JSON, in the shape of Django REST framework: by field, or `detail` with a `code`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import Error as DatabaseProblem
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions

from notifications.messages.explain import Invalid, Unavailable
from project.database import refusals
from project.desk import error_pages
from users.access.authentication import CHALLENGE

log = logging.getLogger(__name__)

RETRY_AFTER = 5  # seconds, where nothing better is known

Problem = tuple[int, dict[str, Any], dict[str, str]]  # status, body, headers
Answer = tuple[int, bytes, dict[str, str]]  # status, body as JSON, headers

JSON = "application/json"

encode = msgspec.json.Encoder().encode


class TooLargeBody(exceptions.APIException):
    status_code = 413
    default_code = "too_large"


class WrongMediaType(exceptions.APIException):
    status_code = 415
    default_code = "unsupported_media_type"


class LengthRequired(exceptions.APIException):
    status_code = 411
    default_code = "length_required"


def answer_to(error: Exception, *, trace_id: str = "") -> Problem:
    """Returns the answer to an error. An error that nobody expected is logged and becomes a 500.

    `trace_id` is that of the request, for the log.
    """
    if isinstance(error, Invalid):
        return 400, error.errors, {}
    if isinstance(error, exceptions.APIException):
        if isinstance(error.__cause__, DatabaseProblem):
            log.warning("%s %s", error.detail, refusals.reason(error.__cause__))
        return _api_exception(error)
    if isinstance(error, Unavailable):
        return _detail(503, "unavailable", _not_taken(error, trace_id), {"Retry-After": str(error.retry_after)})
    if refusals.took_too_long(error):
        why = "This takes too long to find. Ask for a shorter time with since and until, or try again."
        return _detail(503, "unavailable", why, {"Retry-After": str(RETRY_AFTER)})
    if refusals.is_outage(error):
        why = f"The database cannot be used. {refusals.reason(error)}"
        log.warning("%s", why)
        return _detail(503, "unavailable", why, {"Retry-After": str(RETRY_AFTER)})
    if isinstance(error, Http404):
        return _detail(404, "not_found", "Not found.")
    if isinstance(error, PermissionDenied):
        return _detail(403, "permission_denied", "Permission denied.")
    if isinstance(error, SuspiciousOperation):
        return _detail(400, "bad_request", "The request cannot be read.")
    return unexpected(error, trace_id)


def unexpected(error: Exception, trace_id: str = "") -> Problem:
    """Returns the answer to an error that nobody expected, and logs it."""
    log.error("An error nobody expected", exc_info=error, extra={"trace_id": trace_id})
    return _detail(500, "error", "A server error occurred.")


def _not_taken(error: Unavailable, trace_id: str) -> str:
    """Why nothing was accepted, logged too: the reason is the database's, for the broker was tried before."""
    why = refusals.reason(error.__cause__ or error)
    words = "Nothing was accepted: the broker took it not, and the database cannot be used. %s"
    log.warning(words, why, extra={"trace_id": trace_id})
    return f"Neither the broker nor the database could take it. {why} Some may be sent nevertheless; repeat with keys."


def as_json(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    return status, encode(body), headers or {}


def json_response(status: int, body: Any, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(encode(body), status=status, content_type=JSON, headers=headers)


def refusal(error: Exception) -> HttpResponse:
    """The answer to an error, whatever its view would have rendered."""
    return json_response(*answer_to(error))


def handle(error: Exception, _context: dict[str, Any]) -> HttpResponse:
    """Django REST framework's EXCEPTION_HANDLER."""
    return refusal(error)


def _api_exception(error: exceptions.APIException) -> Problem:
    headers: dict[str, str] = dict(getattr(error, "headers", {}))
    if error.status_code == 401:
        headers["WWW-Authenticate"] = CHALLENGE
    wait = getattr(error, "wait", None)
    if wait is not None:
        headers["Retry-After"] = str(wait)
    if isinstance(error.detail, dict):
        return error.status_code, dict(error.detail), headers
    return _detail(error.status_code, str(error.get_codes()), str(error.detail), headers)


def _detail(status: int, code: str, why: str, headers: dict[str, str] | None = None) -> Problem:
    return status, {"detail": why, "code": code}, headers or {}


def _is_admin(request: HttpRequest) -> bool:
    return request.path_info.startswith("/admin/")


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return error_pages.bad_request(request, exception) if _is_admin(request) else refusal(SuspiciousOperation())


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_pages.forbidden(request, str(exception)) if _is_admin(request) else refusal(PermissionDenied())


@csrf_exempt  # which would read the body of a form first, and answer with a page
def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    if _is_admin(request) and exception is not None:
        return error_pages.not_found(request)
    return refusal(Http404())


def csrf_failure(request: HttpRequest, **_: object) -> HttpResponse:
    return error_pages.csrf_failure(request) if _is_admin(request) else refusal(PermissionDenied())


def leads_to(url: str) -> Callable[[HttpRequest], HttpResponse]:
    """A view that sends browsers there."""

    @csrf_exempt
    def view(request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD"):
            return HttpResponseRedirect(url)
        return json_response(*_detail(405, "method_not_allowed", "Only GET.", {"Allow": "GET, HEAD"}))

    return view


def server_error(request: HttpRequest) -> HttpResponse:
    if _is_admin(request):
        return error_pages.server_error(request)
    return json_response(*_detail(500, "error", "A server error occurred."))
