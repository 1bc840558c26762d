"""What a link in an e-mail does: for a person it is a choice of theirs, for a bare address a suppression."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from notifications.messages.ids import person_hashes
from notifications.messages.words import SuppressedFor
from notifications.models import ForgottenHash
from users.people.models import User
from users.recipients import preferences, suppression
from users.recipients.models import Suppression
from users.recipients.person import cell, chosen_by
from users.recipients.preferences import Changes, Source
from users.recipients.suppression import Address
from users.recipients.unsubscribing.tokens import Link

ACTOR = "the receiver"  # in the events of a person's choices
WHY = SuppressedFor.UNSUBSCRIBED


class Verb(StrEnum):
    """What somebody asks for; what is none of these words is `OFF`, as the one click of a mail program."""

    OFF = "off"  # this category on this channel
    ON = "on"  # the same again
    ALL_OFF = "all-off"  # everything that is not mandatory
    ALL_ON = "all-on"


class Standing(NamedTuple):
    """What was switched off. `all_off` does not reach a category that was switched on afterwards."""

    off: bool
    all_off: bool


def standing_of(link: Link) -> Standing:
    """Returns how things stand, with one query."""
    if link.user:
        chosen = preferences.of(link.user)
        return Standing(chosen_by(chosen, link.category, link.channel) is False, chosen.all_off_at is not None)
    rows = Suppression.objects.in_force().filter(address_hash=link.hash, reason=WHY, scope__in=(link.category, ""))
    scopes = set(rows.values_list("scope", flat=True))
    return Standing(bool(scopes), "" in scopes)


def do(link: Link, verb: Verb, address: str) -> None:
    """Does it. What is so already is left alone. `address` is that of the caller, of which its network is kept."""
    if link.user:
        if not _was_erased(link.user):
            _choose(link, verb, address)
        return
    scope = "" if verb in {Verb.ALL_OFF, Verb.ALL_ON} else link.category
    if verb in {Verb.OFF, Verb.ALL_OFF}:
        suppression.suppress(Address(link.channel, link.hash), WHY, scope=scope)
    else:
        suppression.lift([link.hash], WHY, scope=scope)


def _was_erased(username: str) -> bool:
    """Returns whether nothing goes to them any more, so that nothing need be known of them for it."""
    hashes = person_hashes(username)
    return (
        ForgottenHash.objects.filter(hash__in=hashes).exists() and not User.objects.filter(username=username).exists()
    )


def _choose(link: Link, verb: Verb, address: str) -> None:
    if verb in {Verb.ALL_OFF, Verb.ALL_ON}:
        changes = Changes(all_off=verb is Verb.ALL_OFF)
    else:
        changes = Changes(choices={cell(link.category, link.channel): verb is Verb.ON})
    preferences.change(link.user, changes, actor=ACTOR, source=Source.UNSUBSCRIBE, address=address)
