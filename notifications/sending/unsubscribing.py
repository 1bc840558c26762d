"""Gives each e-mail that is not mandatory the address by which its reader unsubscribes."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from django.conf import settings

from notifications.channels import channel_class
from notifications.ledger.rows import Claimed
from notifications.messages.words import CategoryKind
from users.recipients.known import Known
from users.recipients.unsubscribing.tokens import Link, token_of

LONGEST = 900  # characters of the address: a line of a mail has 998 (RFC 5322)


def with_link(channel: str, known: Known) -> Callable[[Claimed], Claimed]:
    """Returns what gives a row of the channel its link, just before it is sent. It asks no database.

    Nothing has one on channels that have no place for it, or without PUBLIC_URL.
    """
    if not settings.PUBLIC_URL or not channel_class(channel).takes_unsubscribe:
        return _as_it_is
    base = f"{settings.PUBLIC_URL}/u/"

    def linked(row: Claimed) -> Claimed:
        if known.rules(row.category).kind is CategoryKind.MANDATORY:
            return row
        return msgspec.structs.replace(row, unsubscribe=_address(base, row))

    return linked


def _as_it_is(row: Claimed) -> Claimed:
    return row


def _address(base: str, row: Claimed) -> str:
    """Returns the address for the row's person, or for its receiver where it names none or a name without end."""
    if row.user:
        of_person = base + token_of(Link(row.channel, row.category, row.user))
        if len(of_person) <= LONGEST:
            return of_person
    return base + token_of(Link(row.channel, row.category, "", row.receiver_hash))
