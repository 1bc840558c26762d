"""What a line of Python's logging says, and what it never says."""

from __future__ import annotations

import json
import logging
import sys

import pytest
from django.db import DatabaseError, connection
from django.test import RequestFactory
from django.urls import resolve

from project.logs.formats import Json, Text

SECRET = "ann@example.com"


def record(message: str, *arguments: object, name: str = "a.b", **also: object) -> logging.LogRecord:
    made = logging.LogRecord(name, logging.ERROR, __file__, 1, message, arguments, sys.exc_info())
    made.__dict__.update(also)
    return made


def test_a_line_is_one_object_whatever_its_message() -> None:
    line = Json().format(record('two\nlines, "quotes" and %s', "\ud800", id=7, trace_id="ab"))
    assert "\n" not in line
    read = json.loads(line)
    assert read.pop("time").endswith("Z")
    assert read == {
        "level": "ERROR",
        "logger": "a.b",
        "message": 'two\nlines, "quotes" and \\ud800',
        "id": "7",
        "trace_id": "ab",
    }


@pytest.mark.parametrize("format", [Json(), Text()])
def test_an_error_is_its_type_and_place_and_never_its_words(format: logging.Formatter) -> None:
    try:
        try:
            int(f"{SECRET}")
        except ValueError as error:
            raise LookupError(f"of {SECRET}") from error
    except LookupError:
        line = format.format(record("it failed"))
    assert "test_formats.py" in line
    assert line.index("ValueError") < line.index("LookupError")
    assert SECRET not in line


@pytest.mark.postgresql
@pytest.mark.django_db
def test_an_error_of_the_database_says_its_sqlstate() -> None:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::int", [SECRET])
    except DatabaseError:
        line = Json().format(record("it failed"))
    assert "(SQLSTATE 22P02)" in line
    assert SECRET not in line


def test_a_request_that_failed_is_named_by_its_route() -> None:
    request = RequestFactory().get(f"/users/{SECRET}")
    line = Text().format(record("Internal Server Error: %s", request.path, name="django.request", request=request))
    assert line.endswith("ERROR django.request Internal Server Error: (a path without a route)")
    request.resolver_match = resolve(request.path)
    line = Text().format(record("Forbidden: %s", request.path, name="django.security.csrf", request=request))
    assert line.endswith("ERROR django.security.csrf Forbidden: /users/<str:username>")
