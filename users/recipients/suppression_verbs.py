"""Suppressions that staff or the main application write and lift, each recorded with who, what and why."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction

from notifications.channels import masked
from notifications.messages.words import StaffVerb, SuppressedFor
from project.desk.audit import LONGEST_CHANGE, Change, write_actions
from users.recipients import suppression
from users.recipients.models import Suppression
from users.recipients.suppression import address_of, hashes_of


class Named(NamedTuple):
    """A suppression of a valid address, in any spelling."""

    channel: str
    receiver: str
    reason: SuppressedFor
    scope: str = ""  # a category; "" is all


@transaction.atomic
def suppress(named: Named, actor: str, why: str = "") -> tuple[Suppression, bool]:
    """Has nothing sent to an address. Returns its row, and False where that was so before: nothing is recorded then."""
    address = address_of(named.channel, named.receiver)
    is_new = suppression.suppress(address, named.reason, scope=named.scope)
    if is_new:
        change = Change(after=_in_words(named.reason, named.scope), after_hash=address.hash)
        shown = masked(named.channel, named.receiver)[:LONGEST_CHANGE]
        write_actions(actor, StaffVerb.SUPPRESS, [(target(address.hash), None)], shown, reason=why, change=change)
    rows = Suppression.objects.filter(address_hash=address.hash, scope=named.scope, reason=named.reason)
    return rows.get(), is_new


@transaction.atomic
def lift(named: Named, actor: str, why: str = "") -> bool:
    """Has an address written to again. Returns whether there was such a suppression."""
    hashes, shown = hashes_of(named.channel, named.receiver), masked(named.channel, named.receiver)
    return _lift(hashes, named.reason, named.scope, actor=actor, why=why, shown=shown)


@transaction.atomic
def lift_row(row: Suppression, actor: str, why: str) -> bool:
    """Does the same for a row, of which nobody knows the address."""
    return _lift([row.address_hash], SuppressedFor(row.reason), row.scope, actor=actor, why=why)


def target(hash: str) -> str:
    """Returns how an address is named as the target of a staff action."""
    return f"address {hash}"


def _lift(hashes: list[str], reason: SuppressedFor, scope: str, *, actor: str, why: str, shown: str = "") -> bool:
    rows = Suppression.objects.in_force().filter(address_hash__in=hashes, reason=reason, scope=scope)
    in_force = list(rows.values_list("address_hash", flat=True))
    suppression.lift(hashes, reason, scope=scope)
    for hash in in_force:  # one, but for former keys
        change = Change(before=_in_words(reason, scope), before_hash=hash)
        write_actions(actor, StaffVerb.LIFT, [(target(hash), None)], shown[:LONGEST_CHANGE], reason=why, change=change)
    return bool(in_force)


def _in_words(reason: SuppressedFor, scope: str) -> str:
    return f"{reason} for {scope}" if scope else reason.value
