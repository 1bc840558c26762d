"""Times as an operator types them behind an option."""

from __future__ import annotations

from datetime import datetime

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime


def moment(option: str, raw: str) -> datetime:
    """Returns the time; one without a zone is of the site's. Raises CommandError."""
    try:
        found = parse_datetime(raw)
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"{option} must be a time such as 2030-01-31T12:00:00Z; {raw!r} is not one.")
    return found if timezone.is_aware(found) else timezone.make_aware(found)
