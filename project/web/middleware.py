"""What every request passes: the check of its host, the headers of its answer, and a short way for API calls."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, lru_cache
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port, validate_host
from django.template.response import SimpleTemplateResponse
from django.urls import ResolverMatch, resolve

from project.web import calls
from project.web.errors import bad_request

log = logging.getLogger(__name__)

Respond = Callable[[HttpRequest], HttpResponse]

PROBES = "/health/"
SCRAPE = "/metrics"
LONGEST_HOST = 253 + len(":65535")  # RFC 1035 2.3.4

# What a browser may do with an answer. Nothing with JSON. Pages load from here alone; the page of the description and
# the admin set styles in their markup, and the admin's Alpine.js makes functions of its attributes.
CONTENT_POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGES = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
PAGE_POLICIES = {
    "/admin/": f"{PAGES}; script-src 'self' 'unsafe-eval'",
    "/docs": PAGES,
    settings.STATIC_URL: PAGES,
}


class KnownHosts:
    """Refuses other host names than those of ALLOWED_HOSTS: a browser may have been led here by one of a stranger's.

    Whoever probes or scrapes asks each process by its address, and an address is no such name. A probe learns
    nothing, so it may give any host.
    """

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        host = host_of(request.META)
        if is_allowed(host) or _needs_no_name(request, host):
            return self.get_response(request)
        log.warning("Refused a request under a host that is not in ALLOWED_HOSTS: %.100r", host)
        return bad_request(request, DisallowedHost())


class AnswerHeaders:
    """Sets the headers of every answer for browsers and caches, where its view has set none."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in answer_headers(request.path_info).items():
            response.headers.setdefault(name, value)
        return response


class StraightToTheView:
    """Calls the view of an API path at once: no session, cookies, messages or CSRF token concern it."""

    def __init__(self, get_response: Respond) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(calls.prefixes()):
            return self.get_response(request)
        match = request.resolver_match = _match_of(request.path_info)
        response: HttpResponse = match.func(request, *match.args, **match.kwargs)
        if isinstance(response, SimpleTemplateResponse):
            response.render()
        if not response.streaming:
            response.headers["Content-Length"] = str(len(response.content))  # else servers answer in chunks
        return response


def host_of(environ: dict[str, Any]) -> str:
    """Returns the host that a request names."""
    return str(environ.get("HTTP_HOST") or environ["SERVER_NAME"])


def is_allowed(host: str) -> bool:
    """Returns True where the host is one of ALLOWED_HOSTS."""
    return _is_allowed(host[: LONGEST_HOST + 1], tuple(settings.ALLOWED_HOSTS))


def answer_headers(path: str) -> dict[str, str]:
    """Returns the headers of every answer, for browsers and caches, where its view has set none of that name."""
    return {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",  # an address of ours can be the id of a person
        "Cache-Control": "no-store",  # made for one key or person, often with addresses
        "Content-Security-Policy": _policy(path),
    }


@lru_cache(maxsize=64)
def _is_allowed(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _ = split_domain_port(host) if len(host) <= LONGEST_HOST else ("", "")
    return bool(domain) and validate_host(domain, allowed)


def _needs_no_name(request: HttpRequest, host: str) -> bool:
    if request.path_info.startswith(PROBES):
        return True
    return request.path_info == SCRAPE and settings.API_KEYS_REQUIRED and _is_address(host)


def _is_address(host: str) -> bool:
    domain, _ = split_domain_port(host[: LONGEST_HOST + 1])
    try:
        ip_address(domain.strip("[]"))
    except ValueError:
        return False
    return True


def _policy(path: str) -> str:
    return next((policy for prefix, policy in PAGE_POLICIES.items() if path.startswith(prefix)), CONTENT_POLICY)


def _match_of(path: str) -> ResolverMatch:
    return _fixed_match_of(path) if path in calls.fixed_paths() else resolve(path)


@cache  # resolving takes longer than parsing a notification
def _fixed_match_of(path: str) -> ResolverMatch:
    return resolve(path)
