"""What would become of a notification for somebody now, or at another time: the same decision as a sender's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from django.conf import settings

from users.recipients import caps
from users.recipients.caps import Key
from users.recipients.category_rules import CategoryRules, read_rules
from users.recipients.decide import Asked, Decision, Rule, caps_of, decide
from users.recipients.facts import Receiver, facts_of
from users.recipients.person import Person, Place
from users.recipients.sentences import sentence


class Foretold(NamedTuple):
    """The decision, and why in a sentence."""

    decision: Decision
    why: str


def foretell(receiver: Receiver, category: str, at: datetime | None = None) -> Foretold:
    """Returns what becomes of a notification of this category for the receiver: now, or with what is known now at `at`.

    Takes nobody's place and changes nothing.
    """
    return foretell_each([receiver], [rules_for(category)], at)[receiver, category]


def foretell_each(
    receivers: Sequence[Receiver], categories: Sequence[CategoryRules], at: datetime | None = None
) -> dict[tuple[Receiver, str], Foretold]:
    """Returns the same for each receiver and the name of each category, with two statements however many there are."""
    facts = facts_of(receivers)
    places = _places(facts.people, categories)
    found: dict[tuple[Receiver, str], Foretold] = {}
    for receiver in receivers:
        key = _key(receiver)
        taken = {cap.scope: some for cap, some in places.items() if cap.person == key}
        person = msgspec.structs.replace(facts.people[receiver], places=taken)
        for rules in categories:
            asked = Asked(
                rules, receiver.channel, receiver=receiver.address, key=key, site_zone=settings.DEFAULT_TIME_ZONE
            )
            decision = decide(asked, person, at or facts.now)
            found[receiver, rules.name] = Foretold(decision, _why(decision))
    return found


def rules_for(category: str) -> CategoryRules:
    """Returns the rules of a category. One that nobody has described keeps nothing back."""
    return read_rules([category])[category]


def _places(people: Mapping[Receiver, Person], categories: Sequence[CategoryRules]) -> dict[Key, list[Place]]:
    """Returns the places that are taken of all caps that concern these people, with one statement, or none."""
    wanted = {
        Key(_key(receiver), scope): cap
        for receiver, person in people.items()
        for rules in categories
        for scope, cap in caps_of(rules, receiver.channel, person.preferences)
    }
    return caps.look_at_places(wanted) if wanted else {}


def _key(receiver: Receiver) -> str:
    return receiver.user or receiver.hash


def _why(decision: Decision) -> str:
    if reason := decision.reason or decision.suppressed_for:
        return sentence(reason, decision.rule)
    return "Its category is mandatory." if decision.rule is Rule.MANDATORY else "No rule keeps it back."
