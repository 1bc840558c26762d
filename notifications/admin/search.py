"""Exact search in the ledger: by receiver, user, reference or id, each by its own index."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db.models import Q

from notifications.channels import channel_class, channel_names
from notifications.message import receiver_hash

MOST_MATCHES = 1_000  # of each kind, the newest
HELP = "Exact receiver, user, reference or id"


def notification_matches(term: str, prefix: str = "") -> Iterator[Q]:
    """A condition for each thing the term could be, apart so that each uses its index.

    `prefix` is the way to the notification, such as "notification__".
    """
    term = term.strip()
    if not term or "\x00" in term or len(term) > 1024:
        return
    hashes = [
        receiver_hash(name, term) for name in channel_names() if channel_class(name).receiver_problem(term) is None
    ]
    if hashes:
        yield Q(**{f"{prefix}receiver_hash__in": hashes})
    if found := as_id(term):
        yield Q(**{f"{prefix}id": found})
    # The indexes of both columns leave out the empty ones.
    yield Q(**{f"{prefix}user": term}) & ~Q(**{f"{prefix}user": ""})
    yield Q(**{f"{prefix}reference": term}) & ~Q(**{f"{prefix}reference": ""})


def as_id(term: str) -> UUID | None:
    """The notification id that the term spells, or None."""
    try:
        return UUID(term)
    except ValueError:
        return None
