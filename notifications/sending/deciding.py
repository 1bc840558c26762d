"""The gate of the people who receive: what they chose, how much they get, whether their address may be written to."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction

from notifications.ledger import verdicts
from notifications.ledger.digests import joining
from notifications.ledger.digests.joining import Fold
from notifications.ledger.rows import Claimed
from notifications.messages.words import Reason
from notifications.sending.gates import End, Later, Split
from project import metrics
from users.recipients import caps
from users.recipients.caps import Key, Taken
from users.recipients.category_rules import Cap
from users.recipients.decide import Action, Asked, Decision, Rule, caps_of, decide, quiet_from
from users.recipients.facts import Receiver, facts_of
from users.recipients.known import Known
from users.recipients.person import Person, Place


class _Case(NamedTuple):
    """A row with what decides about it, and what would become of it if no place of a cap were taken."""

    row: Claimed
    asked: Asked
    person: Person
    decision: Decision


class Deciding:
    """The gate of one channel. It remembers nothing, so a repeated claim is decided anew. Thread-safe.

    It runs at each claim of a row, so what a person chose while the row waited counts.
    """

    def __init__(self, channel: str, known: Known) -> None:
        self._channel = channel
        self._known = known
        self._asked_at = time.monotonic()  # of `changed_since_last_asked`

    def split(self, rows: list[Claimed]) -> Split:
        """Takes one statement for the batch, and none where neither its categories nor anybody keeps a row back.

        Where a cap concerns rows that would go, two more find the places that are taken, another finds which of them
        count, if there are any, and one takes those for what is let go. Where a category has digests, one finds what
        goes out of digests already, and two fold rows into others.
        """
        if not rows or not self._known.may_keep_back({row.category for row in rows}):
            return Split(rows)
        out = self._out_of_digests(rows)
        listed = [row for row in rows if out.get(row.id) is False]
        cases, now = self._cases([row for row in rows if out.get(row.id) is not False], out)
        split, rules, folds = Split([]), Counter[Rule](), list[Fold]()
        for case, decision in _within_caps(cases, now):
            rules[decision.rule] += 1
            if decision.rule is Rule.NONE:
                split.go.append(_until_quiet(case, now))
            elif decision.action is Action.FOLD:
                folds.append(_fold(case.row, decision, now))
            else:
                _place(split, case.row, decision, now)
        if folds:
            waits = zip(folds, joining.join(folds), strict=True)
            split.later += [Later(fold.row, Reason.DIGEST, seconds) for fold, seconds in waits]
        split.later += [Later(row, Reason.DIGEST, joining.PATIENCE) for row in listed]
        transaction.on_commit(partial(self._count, rules))
        return split

    def split_again(self, rows: list[Claimed], since: float) -> Split:
        """Has decided anew what was decided at the monotonic time `since` for somebody who was seen to change then."""
        if not self._known.changed:
            return Split(rows)
        changed = [row for row in rows if _has_changed(self._known, since, row)]
        ids = {row.id for row in changed}
        later = [Later(row, Reason.HANDED_BACK, 0.0) for row in changed]
        return Split([row for row in rows if row.id not in ids], later)

    def changed_since_last_asked(self) -> Callable[[Claimed], bool] | None:
        """Returns what is true of the rows of whoever was seen to change since the last call; None for nobody.

        The decision of a claim under way may be older than the change: `split_again` looks at its rows.
        """
        known, since = self._known, self._asked_at
        self._asked_at = max(known.changed.values(), default=since)
        return partial(_has_changed, known, since) if self._asked_at > since else None

    def _out_of_digests(self, rows: Sequence[Claimed]) -> Mapping[UUID, bool]:
        """Returns those of the rows that joined a digest which is closed, and whether they go out by themselves."""
        folded = [row for row in rows if self._known.rules(row.category).may_be_folded]
        return joining.out_of_digests(folded) if folded else {}

    def _cases(self, rows: Sequence[Claimed], out_of_digests: Collection[UUID]) -> tuple[list[_Case], datetime]:
        """Returns the rows with what is known about them, and the database's time."""
        receivers = [Receiver(row.user, row.channel, row.receiver, row.receiver_hash) for row in rows]
        facts, site_zone = facts_of(receivers), settings.DEFAULT_TIME_ZONE
        cases = []
        for row, receiver in zip(rows, receivers, strict=True):
            asked, person = self._asked(row, facts.now, out_of_digests, site_zone), facts.people[receiver]
            cases.append(_Case(row, asked, person, decide(asked, person, facts.now)))
        return cases, facts.now

    def _asked(self, row: Claimed, now: datetime, out_of_digests: Collection[UUID], site_zone: str) -> Asked:
        """What a person sends again goes by itself."""
        return Asked(
            self._known.rules(row.category),
            row.channel,
            id=row.id,
            receiver=row.receiver,
            key=row.user or row.receiver_hash,
            is_bulk=row.priority == "bulk",
            site_zone=site_zone,
            expires_at=None if row.expires_in is None else now + timedelta(seconds=row.expires_in),
            is_folded=row.generation > 0 or row.id in out_of_digests,
        )

    def _count(self, rules: Counter[Rule]) -> None:
        for rule, count in rules.items():
            metrics.decided.labels(self._channel, rule.value).inc(count)


def _until_quiet(case: _Case, now: datetime) -> Claimed:
    """Returns the row with the time that there is to hand it over."""
    start = quiet_from(case.asked, case.person, now)
    if start is None:
        return case.row
    return msgspec.structs.replace(case.row, quiet_in=(start - now).total_seconds())


def _within_caps(cases: Sequence[_Case], now: datetime) -> list[tuple[_Case, Decision]]:
    """Returns what becomes of the rows, in their order. Takes places of caps for those that go."""
    caps_of_cases = [_caps_of(case) for case in cases]
    wanted = {key: cap for some in caps_of_cases for key, cap in some}
    if not wanted:
        return [(case, case.decision) for case in cases]
    places = caps.places_of(wanted)
    decided, taken = list[tuple[_Case, Decision]](), list[Taken]()
    for case, some in zip(cases, caps_of_cases, strict=True):
        decision = case.decision
        if any(places[key] for key, _ in some):
            of_person = {key.scope: places[key] for key, _ in some}
            decision = decide(case.asked, msgspec.structs.replace(case.person, places=of_person), now)
        if decision.rule is Rule.NONE:
            for key, _ in some:
                taken.append(Taken(key, case.row.id))
                places[key] = [*_of_others(places[key], case.row.id), Place(case.row.id, None)]  # it may have had one
        decided.append((case, decision))
    caps.take(taken)
    return decided


def _caps_of(case: _Case) -> list[tuple[Key, Cap]]:
    """Returns the caps that concern a row which no other rule keeps back."""
    if case.decision.rule is not Rule.NONE:
        return []
    concerns = caps_of(case.asked.category, case.asked.channel, case.person.preferences)
    return [(Key(case.asked.key, scope), cap) for scope, cap in concerns]


def _of_others(places: Sequence[Place], id: UUID) -> list[Place]:
    return [place for place in places if place.id != id]


def _has_changed(known: Known, since: float, row: Claimed) -> bool:
    return known.has_changed(row.user, row.receiver_hash, since)


def _place(split: Split, row: Claimed, decision: Decision, now: datetime) -> None:
    if decision.reason and decision.until:
        split.later.append(Later(row, decision.reason, _seconds_until(decision, now)))
    elif decision.suppressed_for:
        split.end.append(End(row, verdicts.suppressed(decision.suppressed_for)))
    elif decision.rule is Rule.CANCELLED:
        split.end.append(End(row, verdicts.expired()))
    else:
        split.go.append(row)


def _fold(row: Claimed, decision: Decision, now: datetime) -> Fold:
    limit_in = None if decision.limit_at is None else (decision.limit_at - now).total_seconds()
    return Fold(row, _seconds_until(decision, now), limit_in)


def _seconds_until(decision: Decision, now: datetime) -> float:
    return (decision.until - now).total_seconds() if decision.until else 0.0
