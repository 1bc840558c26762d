"""Which mistyped domains are frequent among some letters."""

from __future__ import annotations

import msgspec
from django.db.models import Count

from dlq.mending.mistypings import meant_domain
from dlq.models import DeadLetter
from dlq.selection import Selection

MOST_LETTERS = 5_000  # the newest, that are looked at: as many as one correction takes
MOST_DOMAINS = 500  # the most frequent, of each of which it is asked whether it is mistyped


class Mistyped(msgspec.Struct, frozen=True):
    """A domain that is probably mistyped, the one that was meant, and how many of the letters have it."""

    domain: str
    meant: str
    letters: int


def mistyped_domains(selection: Selection, most: int = 5) -> list[Mistyped]:
    """Returns the mistyped domains that are most frequent among the open letters, with one statement.

    It looks at the newest MOST_LETTERS letters, so that its cost does not grow with a problem.
    """
    newest = msgspec.structs.replace(selection, state=DeadLetter.State.OPEN.value).rows().exclude(receiver_domain="")
    among = newest.order_by("-pk").values("pk")[:MOST_LETTERS]
    letters = DeadLetter.objects.filter(pk__in=among).order_by().values_list("receiver_domain")
    counted = letters.annotate(count=Count("pk")).order_by("-count", "receiver_domain")[:MOST_DOMAINS]
    found = (Mistyped(domain, meant_domain(domain), count) for domain, count in counted)
    return [each for each in found if each.meant][:most]
