"""How a selection of letters travels between pages: as the list's own parameters, or signed in a form, never in a URL.

What somebody searched for can be an address, so it stands in no URL that is made here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlencode

import msgspec
from django.core import signing
from django.http import HttpRequest
from django.utils import timezone

from dlq.admin.choosing.letter_filters import NO_LETTER, TEXTS, WORDS, number, selection_of
from dlq.models import DeadLetter, Problem
from dlq.selection import Selection, from_json
from project.desk.audit import printed
from project.desk.in_words import in_words as shown

SALT = "dlq.selection"
A_DAY = 86_400  # seconds for which a question can be answered
MOST_TICKED = 1_000
NUMBERS = ("problem", "run", "mending")
ENDS = tuple(f"died_at_{end}_{part}" for end in ("from", "to") for part in (0, 1))
KNOWN = frozenset((*TEXTS, *NUMBERS, *WORDS, *ENDS, "ids", "state", "q", "p"))


class NotReadable(Exception):
    """The selection of a form was changed, or is of yesterday."""


def signed(selection: Selection) -> str:
    """Returns the selection as a form carries it."""
    return signing.dumps(selection.as_json(), salt=SALT, compress=True)


def chosen(request: HttpRequest) -> Selection:
    """Returns the letters that a request is about: signed in its form, `ids`, or the parameters of the list.

    Of a filter they are open unless it names another state: nobody replays the others. Raises NotReadable.
    """
    if token := request.POST.get("selection"):
        try:
            return from_json(signing.loads(token, salt=SALT, max_age=A_DAY))
        except (signing.BadSignature, msgspec.ValidationError):
            raise NotReadable from None
    return of_address(request)


def of_address(request: HttpRequest) -> Selection:
    """Returns the letters that an address is about, whatever was posted to it."""
    if request.GET.get("ids"):
        return of_ids([number(word) or NO_LETTER for word in request.GET["ids"].split(",")[:MOST_TICKED]])
    selection = selection_of(request)
    return selection if selection.state else msgspec.structs.replace(selection, state=DeadLetter.State.OPEN.value)


def check(request: HttpRequest, *also: str) -> None:
    """Raises NotReadable for a parameter that `chosen` does not read: without it, it chooses more than was meant.

    `also` are parameters that a page reads besides.
    """
    if not KNOWN.issuperset(set(request.GET).difference(also)):
        raise NotReadable


def of_ids(ids: Sequence[int]) -> Selection:
    """Returns the letters that somebody ticked, in whatever state they are by now."""
    return Selection(state="", ids=tuple(sorted(set(ids)))[:MOST_TICKED] or (NO_LETTER,))


def query_of(selection: Selection, **also: str) -> str:
    """Returns the list's query for these letters; "" where it would name what was searched for, or single letters."""
    if selection.term or selection.ids:
        return ""
    found = {name: getattr(selection, name) for name in (*TEXTS, *NUMBERS) if getattr(selection, name)}
    if selection.state != DeadLetter.State.OPEN:
        found["state"] = selection.state or "all"
    for end, moment in (("from", selection.died_from), ("to", selection.died_to)):
        if moment:
            local = timezone.localtime(moment)
            found |= {f"died_at_{end}_0": local.date().isoformat(), f"died_at_{end}_1": local.strftime("%H:%M:%S")}
    flags = {name: value for name in ("expired", "uncertain") if (value := getattr(selection, name)) is not None}
    found |= {name: "yes" if value else "no" for name, value in flags.items()}
    if selection.repeats > 1 or selection.deaths > 1:
        found["again"] = "same" if selection.repeats > 1 else "yes"
    return urlencode(found | also)


def problems_in_words(selections: Iterable[Selection]) -> dict[int, str]:
    """Returns by number what failed, for the problems that these selections name: such as "8 (timeout, SMS)"."""
    problems = Problem.objects.filter(pk__in={selection.problem for selection in selections if selection.problem})
    return {each.pk: f"{each.pk} ({shown('cause', each.cause)}, {each.channel or 'no channel'})" for each in problems}


def in_words(selection: Selection, problems: Mapping[int, str] | None = None) -> str:
    """Returns what the selection is, for people, without what was searched for.

    `problems` are words of `problems_in_words`; without them they are asked for.
    """
    if selection.ids:
        return f"{len(selection.ids):,} letters, ticked by hand"
    named = {name: name for name in (*TEXTS, *NUMBERS)} | {"mending": "correction"}
    given = {name: value for name in named if (value := getattr(selection, name))}
    if selection.cause:
        given["cause"] = shown("cause", selection.cause)
    if selection.problem:
        names = problems_in_words([selection]) if problems is None else problems
        given["problem"] = names.get(selection.problem, selection.problem)
    found = [f"{named[name]} {value}" for name, value in given.items()]
    found += [f"died since {printed(selection.died_from)}"] if selection.died_from else []
    found += [f"died before {printed(selection.died_to)}"] if selection.died_to else []
    if selection.expired is not None:
        found.append("expired" if selection.expired else "not expired")
    if selection.uncertain is not None:
        found.append("may have arrived" if selection.uncertain else "did not arrive")
    found += ["died twice of the same cause"] if selection.repeats > 1 else []
    found += ["died twice or more"] if selection.deaths > 1 else []
    found += ["found by a search"] if selection.term else []
    return ", ".join(found) or ("all open letters" if selection.state == DeadLetter.State.OPEN else "all letters")
