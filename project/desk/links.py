"""Addresses of the desk's pages that others lead to. None contains an address, a webhook or a number of a person."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html

from notifications.models import Notification
from project.desk.search import receivers_of


def person_url(user: str = "", *, key: int | None = None, notification: UUID | None = None) -> str:
    """Returns the address of a person's page: by the user, their key in the directory, or one of their notifications.

    The main application may use e-mail addresses as its users' ids. Those stand in no URL.
    """
    page = reverse("admin:desk_person")
    if user and "@" not in user and not receivers_of(user):
        return f"{page}?{urlencode({'user': user})}"
    if key is not None:
        return f"{page}?{urlencode({'person': key})}"
    return f"{page}?{urlencode({'notification': str(notification)})}" if notification else ""


def person_link(row: Notification, words: str) -> str:
    """Returns a link with these words from a notification to the page of its user; "" where it has none."""
    url = person_url(row.user, notification=row.pk) if row.user else ""
    return format_html('<a class="desk-link" href="{}"><bdi dir="auto">{}</bdi></a>', url, words) if url else ""


def page_url(name: str, *args: object, **query: str) -> str:
    """Returns the address of a page of the admin, or "" where it has no page of that name."""
    try:
        url = reverse(f"admin:{name}", args=args)
    except NoReverseMatch:
        return ""
    return f"{url}?{urlencode(query)}" if query else url
