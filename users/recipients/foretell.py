"""What would become of a notification for somebody now, or at another time: the same decision as a sender's."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec
from django.conf import settings

from notifications.models import Category
from users.recipients import caps
from users.recipients.caps import Key
from users.recipients.decide import Asked, CategoryRules, Decision, Person, Rule, caps_of, decide, rules_of
from users.recipients.facts import Receiver, facts_of
from users.recipients.known import COLUMNS
from users.recipients.sentences import sentence


class Foretold(NamedTuple):
    """The decision, and why in a sentence."""

    decision: Decision
    why: str


def foretell(receiver: Receiver, category: str, at: datetime | None = None) -> Foretold:
    """Returns what becomes of a notification of this category for the receiver: now, or with what is known now at `at`.

    Takes nobody's place and changes nothing.
    """
    facts = facts_of([receiver])
    rules = rules_for(category)
    key = receiver.user or receiver.hash
    person = _with_places(facts.people[receiver], rules, key)
    asked = Asked(rules, receiver.channel, receiver=receiver.address, key=key, site_zone=settings.DEFAULT_TIME_ZONE)
    decision = decide(asked, person, at or facts.now)
    return Foretold(decision, _why(decision))


def rules_for(category: str) -> CategoryRules:
    """Returns the rules of a category. One that nobody has described keeps nothing back."""
    row = Category.objects.filter(name=category).values(*COLUMNS).first()
    return rules_of(row) if row else CategoryRules(name=category)


def _with_places(person: Person, rules: CategoryRules, key: str) -> Person:
    wanted = {Key(key, scope): cap for scope, cap in caps_of(rules, person.preferences)}
    if not wanted:
        return person
    places = {at.scope: taken for at, taken in caps.look_at_places(wanted).items()}
    return msgspec.structs.replace(person, places=places)


def _why(decision: Decision) -> str:
    if reason := decision.reason or decision.suppressed_for:
        return sentence(reason)
    return "Its category is mandatory." if decision.rule is Rule.MANDATORY else "No rule keeps it back."
