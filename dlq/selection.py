"""Which dead letters are meant: a filter that travels from a list to a question, a run and a job, never a list of ids.

Only what a person ticked by hand travels as numbers.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from dlq.models import DeadLetter
from notifications.channels import channel_class, channel_names
from notifications.messages.ids import receiver_hashes
from project.desk.spelling import as_id, spellings

MOST_OF_A_REFERENCE = 10_000  # letters
# Fields of a selection that name a column of the letter by its own name.
_COLUMNS = ("state", "channel", "cause", "provider", "client", "category", "user", "problem", "run", "mending")


class Selection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A filter of dead letters. What is empty or None filters nothing. Times are inclusive at first, exclusive at last.

    `term` is what somebody searched for: a receiver, also one before its correction, a user, a reference, an id, a
    letter's number.
    """

    state: str = "open"
    channel: str = ""
    cause: str = ""
    provider: str = ""
    client: str = ""
    category: str = ""
    user: str = ""
    domain: str = ""
    problem: int | None = None
    run: int | None = None
    mending: int | None = None
    died_from: datetime | None = None
    died_to: datetime | None = None
    expired: bool | None = None
    uncertain: bool | None = None
    repeats: int = 1  # deaths in a row of the same cause, at least
    deaths: int = 1  # of whatever cause, at least
    up_to: int | None = None  # the last letter's number
    term: str = ""
    ids: tuple[int, ...] = ()

    def rows(self) -> QuerySet[DeadLetter]:
        """Returns the letters, in the order of their numbers."""
        equal = {name: value for name in _COLUMNS if (value := getattr(self, name)) not in ("", None)}
        chosen = DeadLetter.objects.filter(**equal)
        if self.domain:
            chosen = chosen.filter(receiver_domain=self.domain)
        if self.died_from:
            chosen = chosen.filter(died_at__gte=self.died_from)
        if self.died_to:
            chosen = chosen.filter(died_at__lt=self.died_to)
        if self.expired is not None:
            passed = Q(expires_at__lte=Now())
            chosen = chosen.filter(passed if self.expired else ~passed | Q(expires_at=None))
        if self.uncertain is not None:
            chosen = chosen.filter(uncertain=self.uncertain)
        if self.repeats > 1:
            chosen = chosen.filter(repeats__gt=1, repeats__gte=self.repeats)
        if self.deaths > 1:
            chosen = chosen.filter(deaths__gt=1, deaths__gte=self.deaths)  # the first is the index's condition
        if self.up_to is not None:
            chosen = chosen.filter(pk__lte=self.up_to)
        if self.ids:
            chosen = chosen.filter(pk__in=self.ids)
        return (chosen.filter(meaning(self.term)) if self.term else chosen).order_by("pk")

    def as_json(self) -> dict[str, Any]:
        """Returns what a JSON column keeps."""
        kept: dict[str, Any] = msgspec.to_builtins(self)
        return kept


def from_json(kept: Any) -> Selection:
    """Returns the selection that `as_json` gave. Raises msgspec.ValidationError for anything else."""
    return msgspec.convert(kept, Selection)


def meaning(term: str) -> Q:
    """Returns the condition for whatever the term can mean, by columns of the letter that have an index."""
    hashes = [
        each
        for spelling in spellings(term)
        for name in channel_names()
        if channel_class(name).receiver_problem(spelling) is None
        for each in receiver_hashes(name, spelling)
    ]
    found = Q(user=term) | Q(receiver_hash__in=hashes) | Q(was_receiver_hash__in=hashes)
    referred = DeadLetter.objects.filter(~Q(notification__reference=""), notification__reference=term)
    found |= Q(pk__in=list(referred.values_list("pk", flat=True)[:MOST_OF_A_REFERENCE]))  # read first, by its index
    if id := as_id(term):
        found |= Q(notification_id=id)
    digits = term.strip().removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:  # a bigint
        found |= Q(pk=int(digits))
    return found
