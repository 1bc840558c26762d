"""The dry run: into which groups the letters of a selection fall, and how many each has.

A letter has any number of traits, each a reason to think twice, and goes only where all of them were ticked. It counts
in the group of its first trait, so that the groups add up. What can never be sent stands apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Now

from dlq.models import DeadLetter, Run
from dlq.selection import Selection
from notifications.channels.outcomes import Cause
from notifications.models import Category
from project.database.dialects import fetch

MOST_IN_A_RUN = 100_000  # letters; the question counts no further
FRESH = "fresh"
BUSY = "busy"  # left out by a run, because somebody else was changing the letter whenever it looked

State = DeadLetter.State


class Trait(Enum):
    """A reason to think twice before a letter is sent again: its word, whether it goes by default, what it means."""

    def __init__(self, word: str, by_default: bool, title: str, explain: str) -> None:
        self.word = word
        self.by_default = by_default
        self.title = title
        self.explain = explain

    EXPIRED = (
        "expired",
        False,
        "Expired",
        "Whoever sent these did not want them sent any more by now. They go only with a new expiry.",
    )
    UNCERTAIN = (
        "uncertain",
        False,
        "May have arrived",
        "A try ended without an answer. Sent again, the receiver may get it twice.",
    )
    OPTED_OUT = (
        "opted-out",
        False,
        "Opted out or suppressed",
        "The receiver does not want these, and the provider will most likely refuse them again.",
    )
    REPEATED = (
        "died-twice",
        False,
        "Died twice of the same cause",
        "They were sent again before and died of the same cause. Look at the cause first.",
    )
    CORRECTED = (
        "corrected",
        True,
        "Corrected since",
        "Somebody changed the receiver after they died. They go to the new one.",
    )

    @property
    def bit(self) -> int:
        return 1 << list(Trait).index(self)


# What is never sent again, and why. The order is that of the question.
NEVER = {
    "sent": "Already sent: they arrived late, or somebody sent them again",
    "on-its-way": "Already on their way again",
    "in-a-run": "In another run that is not over",
    "discarded": "Discarded",
    "unreadable": "Records that could not be read: they are corrected one by one",
    "sensitive": "Expired, of a sensitive category: these are not sent again once they have expired",
}
_NEVER = list(NEVER)
LEFT_OUT = (
    {trait.word: trait.title for trait in Trait}
    | NEVER
    | {FRESH: "Fresh ones, which were not ticked", BUSY: "Somebody else was changing them at that moment"}
)


@dataclass(frozen=True, slots=True)
class Dry:
    """How many letters there are of each kind: `never` by why, `by_traits` by the bits of their traits.

    `last` is the number of the last letter counted; `more` says that others come behind it, for another run.
    """

    never: Counter[str]
    by_traits: Counter[int]
    last: int
    more: bool

    @property
    def total(self) -> int:
        return self.never.total() + self.by_traits.total()

    @property
    def fresh(self) -> int:
        return self.by_traits[0]

    def first(self, trait: Trait) -> int:
        """Returns how many letters count in the group of this trait."""
        return sum(count for bits, count in self.by_traits.items() if first_of(bits) is trait)

    def others(self, trait: Trait) -> list[tuple[Trait, int]]:
        """Returns how many of the group have further traits, each of which must be ticked as well."""
        found: Counter[Trait] = Counter()
        for bits, count in self.by_traits.items():
            if first_of(bits) is trait:
                found.update({other: count for other in traits_of(bits) if other is not trait})
        return sorted(found.items(), key=lambda each: each[0].bit)

    def going(self, ticked: Collection[str]) -> int:
        """Returns how many letters go where these groups are ticked."""
        return sum(count for bits, count in self.by_traits.items() if why_left_out(bits, ticked) is None)


def dry_run(selection: Selection) -> Dry:
    """Counts the letters of the selection by kind, in one statement that looks at MOST_IN_A_RUN of them at most."""
    looked_at = classified(selection.rows()).values("kind", "pk")[: MOST_IN_A_RUN + 1]
    text, parameters = looked_at.query.sql_with_params()
    found = fetch(f"SELECT kind, count(*), max(pk) FROM ({text}) AS looked_at GROUP BY kind", parameters)
    dry = Dry(Counter(), Counter(), max((last for _, _, last in found), default=0), more=False)
    for kind, count, _ in found:
        if kind < 0:
            dry.never[never_of(kind)] += count
        else:
            dry.by_traits[kind] += count
    if dry.total <= MOST_IN_A_RUN:
        return dry
    last = selection.rows().values_list("pk", flat=True)[MOST_IN_A_RUN - 1]
    within = dry_run(msgspec.structs.replace(selection, up_to=last))
    return Dry(within.never, within.by_traits, within.last, more=True)


def classified(letters: QuerySet[DeadLetter], *, run: int | None = None) -> QuerySet[Any]:
    """Adds `kind` to letters: below zero where it is never sent (see `never_of`), otherwise the bits of its traits.

    It reads columns of the letter alone. `run` is the one that asks: what it has taken itself is on its way.
    """
    sensitive = sorted(Category.sensitive_names())
    others = sorted(pk for pk in unfinished_runs().values_list("pk", flat=True) if pk != run)
    expired = Q(expires_at__lte=Now())
    never = {
        "sent": Q(state=State.RESOLVED),
        "on-its-way": Q(state=State.REPLAYING),
        "discarded": Q(state=State.DISCARDED),
        "unreadable": Q(notification__isnull=True),
        "in-a-run": Q(run__in=others),
        "sensitive": expired & Q(category__in=sensitive),
    }
    if run is not None:
        never["on-its-way"] |= Q(run=run)
    whens = [When(condition, then=Value(-1 - _NEVER.index(word))) for word, condition in never.items()]
    return letters.annotate(kind=Case(*whens, default=_bits(expired), output_field=IntegerField()))


def never_of(kind: int) -> str:
    """Returns why letters of this kind are never sent: a word of NEVER."""
    return _NEVER[-1 - kind]


def why_left_out(kind: int, ticked: Collection[str]) -> str | None:
    """Returns why a letter of this kind stays where only these groups are ticked; None where it goes."""
    if kind < 0:
        return never_of(kind)
    if kind == 0:
        return None if FRESH in ticked else FRESH
    return next((trait.word for trait in traits_of(kind) if trait.word not in ticked), None)


def traits_of(bits: int) -> Iterator[Trait]:
    return (trait for trait in Trait if bits & trait.bit)


def first_of(bits: int) -> Trait | None:
    """Returns the trait in whose group a letter counts; None for a fresh one."""
    return next(traits_of(bits), None)


def unfinished_runs() -> QuerySet[Run]:
    """Returns the runs that are not over, whose letters nobody else takes."""
    return Run.objects.filter(ended_at=None)


def _bits(expired: Q) -> Any:
    conditions = {
        Trait.EXPIRED: expired,
        Trait.UNCERTAIN: Q(uncertain=True),
        Trait.OPTED_OUT: Q(cause=Cause.OPTED_OUT),
        Trait.REPEATED: Q(repeats__gte=2),
        Trait.CORRECTED: ~Q(was_receiver_hash=""),
    }
    bits: Any = Value(0)
    for trait, condition in conditions.items():
        bits = bits + Case(When(condition, then=Value(trait.bit)), default=Value(0), output_field=IntegerField())
    return bits
