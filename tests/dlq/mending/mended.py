"""Letters with mistyped receivers, and running their corrections to the end."""

from __future__ import annotations

from secrets import token_hex
from typing import Any

from dlq.mending.candidates import find
from dlq.mending.corrections import Correction, Kind
from dlq.mending.job import KIND, Mend, begin
from dlq.models import DeadLetter, Mending
from dlq.selection import Selection
from notifications.channels import domain_of
from notifications.channels.outcomes import Cause
from notifications.scheduling.jobs import Runner
from tests.desk import letter
from users.people.models import Device, User

GMIAL = Correction(Kind.DOMAIN, "gmial.com", "gmail.com")
ALL = Selection()


def mistyped(receiver: str = "anna@gmial.com", **fields: Any) -> DeadLetter:
    """An open letter as the desk has it some seconds after the death: it knows its receiver's hash and domain."""
    dead = letter(receiver=receiver, **{"last_cause": Cause.UNKNOWN_RECEIVER, **fields})
    row = dead.notification
    assert row is not None
    dead.receiver_domain, dead.receiver_hash = domain_of(row.channel, receiver), row.receiver_hash
    dead.user, dead.category = row.user, row.category
    dead.save()
    return dead


def person(username: str, *addresses: str) -> User:
    user = User.objects.create(username=username)
    for position, address in enumerate(addresses):
        Device.objects.create(
            user=user, channel="EMAIL" if "@" in address else "SMS", address=address, position=position
        )
    return user


def mend(correction: Correction = GMIAL, selection: Selection = ALL, **options: Any) -> Mending:
    """Asks for a correction, without running it."""
    found, _ = find(selection, correction)
    given: dict[str, Any] = {"key": token_hex(16), "actor": "anna", "reason": "typed wrong"} | options
    given |= {"selection": selection.as_json(), "correction": correction.as_json(), "asked": len(found)}
    return begin(Mending(last_letter=found[-1].letter if found else 0, **given), words="asked")


def run(mending: Mending | None = None) -> None:
    """Works on the jobs of corrections until none is left to do."""
    runner = Runner({KIND: Mend()})
    while runner.turn():
        pass
    if mending is not None:
        mending.refresh_from_db()


def receivers() -> list[str]:
    """The receivers of all letters, in the order of the letters."""
    found = DeadLetter.objects.order_by("pk").values_list("notification__receiver", flat=True)
    return [str(receiver) for receiver in found]
