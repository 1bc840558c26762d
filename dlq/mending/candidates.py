"""Corrects the receivers of many letters: which letters that would be, what is left out and why, and doing it.

The question and the job sort letters by the same function, so that what was shown is what is done.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

import msgspec
from django.db.models import QuerySet

from dlq.mending.corrections import Correction, Kind, refusal
from dlq.models import DeadLetter
from dlq.selection import Selection
from dlq.verbs import REPLAYABLE
from notifications.ledger.sql import WITHIN
from notifications.messages.ids import first_id_at, receiver_hashes, span, time_of
from notifications.messages.words import Status
from notifications.models import Category
from project.database.dialects import Dialect, Statement, as_json, as_uuid

MOST_LETTERS = 5_000  # of one correction
MOST_LOOKED_AT = 20_000  # letters of a selection, where no index knows which of them a correction concerns
DUPLICATE_DAYS = 7  # before the oldest letter was accepted; what is older is another matter
LOOKED_AT_EACH = 50  # notifications to one receiver, the newest first

# What was sent, or is on its way and may be.
_GOT_IT = (Status.SENT, Status.ACCEPTED, Status.QUEUED, Status.SENDING, Status.WAITING)


class Fate(StrEnum):
    """What becomes of a letter that a correction concerns, and why it is left out."""

    in_words: str

    def __new__(cls, word: str, in_words: str = "") -> Self:
        fate = str.__new__(cls, word)
        fate._value_ = word
        fate.in_words = in_words
        return fate

    CORRECTED = "corrected", "corrected"
    SENSITIVE = "sensitive", "their category is sensitive"
    REFUSED = "refused", "the intake would refuse the new receiver"
    DUPLICATE = "duplicate", "they got it at the right address already"
    TAKEN = "taken", "somebody else had them by then"


class Candidate(msgspec.Struct, frozen=True):
    """A letter that a correction concerns, and the receiver that it would get."""

    letter: int
    id: UUID
    generation: int
    channel: str
    category: str
    user: str
    before: str
    before_hash: str
    after: str = ""


OF_NOTIFICATION = ("id", "generation", "channel", "category", "user", "receiver", "receiver_hash", "status")
COLUMNS = ("pk", *(f"notification__{name}" for name in OF_NOTIFICATION))


@dataclass(slots=True)
class Sorted:
    """Candidates by what becomes of them, in the order of their letters; and why the intake refuses some."""

    by_fate: dict[Fate, list[Candidate]] = field(default_factory=lambda: defaultdict(list))
    refusals: dict[int, str] = field(default_factory=dict)

    @property
    def people(self) -> list[Candidate]:
        """Those whose person may have a device with the same fault: the address is right for them."""
        return self.by_fate[Fate.CORRECTED] + self.by_fate[Fate.DUPLICATE]

    def counts(self) -> Counter[str]:
        return Counter({fate.value: len(found) for fate, found in self.by_fate.items() if found})


def letters_of(selection: Selection, correction: Correction) -> QuerySet[DeadLetter]:
    """Returns the open letters among which the correction's are, in the order of their numbers.

    For a domain they are just these letters, by its index. For others a receiver has to be looked at in each.
    """
    chosen = msgspec.structs.replace(selection, state=DeadLetter.State.OPEN.value)
    rows = chosen.rows().filter(notification__isnull=False)
    return rows.filter(correction.condition) if correction.kind is Kind.DOMAIN else rows


def find(selection: Selection, correction: Correction) -> tuple[list[Candidate], bool]:
    """Returns the oldest MOST_LETTERS letters that the correction concerns, and whether there may be more.

    At most two statements. Without an index of what the correction concerns, the oldest MOST_LOOKED_AT letters of the
    selection are looked at.
    """
    rows, more = letters_of(selection, correction), False
    if correction.kind is not Kind.DOMAIN:
        more = rows[MOST_LOOKED_AT : MOST_LOOKED_AT + 1].exists()
        rows = DeadLetter.objects.filter(correction.condition, pk__in=rows.values("pk")[:MOST_LOOKED_AT]).order_by("pk")
    found = list(rows.values_list(*COLUMNS)[: MOST_LETTERS + 1])
    return concerned(found[:MOST_LETTERS], correction), more or len(found) > MOST_LETTERS


def concerned(rows: Iterable[Sequence[Any]], correction: Correction) -> list[Candidate]:
    """Returns those of the rows (of COLUMNS) that can be replayed and that the correction concerns."""
    found = []
    for *row, status in rows:
        letter = Candidate(*row)
        after = correction.apply(letter.channel, letter.before)
        if status in REPLAYABLE and after is not None and after != letter.before:
            found.append(msgspec.structs.replace(letter, after=after))
    return found


def sort_out(candidates: Sequence[Candidate], *, duplicates: bool = False) -> Sorted:
    """Returns the candidates by what becomes of them, with two statements.

    With `duplicates`, what somebody got at the right address before is corrected all the same.
    """
    result = Sorted()
    sensitive = Category.sensitive_names() if candidates else frozenset()
    got_it = set() if duplicates else already_got(candidates)
    for each in candidates:
        if each.category in sensitive:
            result.by_fate[Fate.SENSITIVE].append(each)
        elif why := refusal(each.channel, each.after):
            result.refusals[each.letter] = why
            result.by_fate[Fate.REFUSED].append(each)
        else:
            result.by_fate[Fate.DUPLICATE if each.id in got_it else Fate.CORRECTED].append(each)
    return result


def already_got(candidates: Sequence[Candidate]) -> set[UUID]:
    """Returns the notifications that the new receiver was sent already, or is being sent, as another notification.

    That is one of the same client with the same reference and category, or with the same text to the same person.
    """
    if not candidates:
        return set()
    rows = [
        {"id": each.id, "hash": hashed} for each in candidates for hashed in receiver_hashes(each.channel, each.after)
    ]
    since = first_id_at(min(time_of(each.id) for each in candidates) - timedelta(days=DUPLICATE_DAYS))
    among = {"since": since.hex, "most": LOOKED_AT_EACH, **span(each.id for each in candidates)}
    return {as_uuid(id) for (id,) in sent_to_new_receiver(rows=as_json(rows), **among)}


@Statement
def sent_to_new_receiver(d: Dialect) -> str:
    got_it = ", ".join(f"'{status}'" for status in _GOT_IT)
    return f"""
        SELECT DISTINCT n.id FROM {d.rows({"id": "uuid", "hash": "text"})}
        JOIN notifications_notification AS n ON n.id = r.id AND {WITHIN}
        WHERE EXISTS (
            SELECT 1 FROM (
                SELECT s.status, s.client, s.reference, s.category, s."user", s.subject, s.message
                FROM notifications_notification AS s
                WHERE s.receiver_hash = r.hash AND s.id >= %(since)s AND s.id <> r.id
                ORDER BY s.id DESC LIMIT %(most)s
            ) AS s
            WHERE s.status IN ({got_it}) AND s.client = n.client AND (
                (n.reference <> '' AND s.reference = n.reference AND s.category = n.category)
                OR (s."user" = n."user" AND s.subject = n.subject AND s.message = n.message)))"""
