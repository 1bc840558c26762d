"""The addresses of our own styles and scripts, which Unfold puts into every page."""

from __future__ import annotations

from django.http import HttpRequest
from django.templatetags.static import static


def find_styles(_: HttpRequest) -> str:
    return static("desk/find.css")


def find_script(_: HttpRequest) -> str:
    return static("desk/find.js")


def names_script(_: HttpRequest) -> str:
    """Returns the address of the script that names Django's widgets. Unfold calls it."""
    return static("desk/names.js")
