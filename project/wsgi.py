"""The WSGI application: `granian --interface wsgi project.wsgi:application`."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable
from importlib import import_module
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from django.conf import settings
from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import reset_queries
from django.utils.module_loading import import_string

from project import collector, metrics
from project.logs.handler import log_what_nobody_catches
from project.places import Places
from project.timing import Timed

LIVE = "/health/live"

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
log_what_nobody_catches()
_django = get_wsgi_application()
if settings.DEBUG:  # Django then keeps every statement of a request, and its way alone forgets them again
    _places = Places(_django)
else:
    _short_way = import_string("project.short_way.ShortWay")  # its views need the apps, which are there from here on
    _places = Places(_short_way(_django))
# Nothing is cached and no queries are logged, yet clearing both would cost each request some 30 µs.
request_finished.disconnect(close_caches)
if not settings.DEBUG:
    request_started.disconnect(reset_queries)


def _is_one_of_several() -> bool:
    """Returns True where granian runs several workers behind its one address, by option or variable."""
    option = re.search(r"--workers[ =](\d+)", " ".join(sys.argv))
    return int(option[1] if option else os.environ.get("GRANIAN_WORKERS") or 1) > 1


if _is_one_of_several() and not metrics.SHARED_IN:
    logging.getLogger(__name__).warning(
        "One of several workers: /metrics shows the figures of whichever answers. "
        "Run one worker in each process and have Prometheus scrape each, or set PROMETHEUS_MULTIPROC_DIR."
    )


def _application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Django's, spared the extended parameters (RFC 8187) of a Content-Type.

    Strange ones (`charset*=x'y'%00`) make it fail before any of its error handling begins, and no client needs them.
    """
    if "*" in environ.get("CONTENT_TYPE", ""):
        environ["CONTENT_TYPE"] = "application/octet-stream"
    return _answer_of(environ)(environ, start_response)


def _answer_of(environ: WSGIEnvironment) -> WSGIApplication:
    """A probe of liveness needs no database, so it must not wait behind those who wait for theirs."""
    return _django if environ["PATH_INFO"] == LIVE or not environ["wsgi.multithread"] else _places


application = Timed(_application)
import_module(settings.ROOT_URLCONF)  # the views, which else the first request would load
import_module("notifications.ledger.minutes").minutes.begin(by_itself=True)
collector.look_seldom()
