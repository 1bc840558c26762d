"""What the box finds, in groups: people, dead letters, notifications, runs, problems, pages of the admin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from dlq.admin.finding import find
from dlq.admin.finding.far_look import FarLook, look_back
from dlq.models import DeadLetter, Problem, Run
from notifications.messages.words import Status
from notifications.models import Notification, Receipt
from project.desk.audit import printed
from project.desk.in_words import in_words
from project.desk.links import page_url, person_url
from project.desk.sight import Sight, sight_of
from project.desk.spelling import number_of
from users.people.models import User

MOST = 20
NO_USER = "an address of no user"
FEWEST_OF_A_PAGE = 3  # characters of the name of a page
LETTER_TONES = {"replaying": "info", "resolved": "success"}  # open is what one looks for


@dataclass(frozen=True, slots=True)
class Hit:
    """One line of the page of hits, and where it leads."""

    url: str
    title: str
    facts: tuple[str, ...] = ()
    at: datetime | None = None
    state: str = ""
    tone: str = ""

    @property
    def time(self) -> str:
        return printed(self.at) if self.at else ""


@dataclass(slots=True)
class Group:
    """The hits of one kind; `more` where there are others than these."""

    title: str
    hits: list[Hit] = field(default_factory=list)
    more: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that one term finds. `only` is the page that a single hit opens, or ""."""

    groups: list[Group]
    only: str
    far: FarLook | None


def _look_far(term: find.Term) -> FarLook | None:
    return look_back(term.provider_ids, term.trace) if term.may_be_provider_id else None


class Tables:
    """Which tables the person of this request may see."""

    def __init__(self, request: HttpRequest) -> None:
        self.people = may_see(request, "users", "user")
        self.notifications = may_see(request, "notifications", "notification")
        self.letters = sees_letters(request)


def may_see(request: HttpRequest, app: str, model: str) -> bool:
    return any(request.user.has_perm(f"{app}.{verb}_{model}") for verb in ("view", "change"))


def sees_letters(request: HttpRequest) -> bool:
    """Returns True where this person may open dead letters, and so the pages of their verbs."""
    return may_see(request, "dlq", "deadletter")


def look(request: HttpRequest, term: find.Term, most: int = MOST, far: FarLook | None = None) -> Found:
    """Returns what this person may see of what the term finds. Looks far only where nothing is found nearby.

    `far` is what it found when it looked a moment ago.
    """
    sight, may = sight_of(request), Tables(request)
    people = find.people(term, most) if may.people else []
    rows = find.notifications(term, most) if may.notifications else []
    letters = find.letters(term, rows, most) if may.letters else []
    others = [*_numbered(term, may), *_pages(request, term)]
    nothing = not (people or rows or letters or others)
    far = (far or _look_far(term)) if nothing and may.notifications else None
    if far:
        rows = find.rows_of(list(far.found))
        letters = find.letters(term, rows, most) if may.letters and rows else []
    persons = _persons(term, people, [*rows, *letters], sight) if may.notifications else []
    with_letter = {letter.notification_id for letter in letters}
    alone = [row for row in rows if row.pk not in with_letter]
    groups = [
        Group("People", persons[:most], len(persons) > most),
        Group("Dead letters", [letter_hit(each, sight) for each in letters[:most]], len(letters) > most),
        Group("Notifications", [row_hit(each, sight) for each in alone[:most]], len(rows) > most),
        Group("Pages", [*others, *_receipts(request, term)]),
    ]
    theirs = all(_is_of_a_person(term, each) for each in [*rows, *letters])
    return Found([group for group in groups if group.hits], _only(groups, theirs=theirs), far)


def row_hit(row: Any, sight: Sight, known: str = "") -> Hit:
    """Returns the line of a notification, without its user where that is `known`. `row` is of find.rows_of."""
    return Hit(
        reverse("admin:notifications_notification_change", args=[row.pk]),
        _about(row, sight),
        _facts(row.channel, sight.receiver(row), sight.person(_other(row.user, known)), row.category, _why(row)),
        row.accepted_at,
        in_words("status", row.status),
        Status(row.status).tone,
    )


def waiting_hit(row: Any, sight: Sight, known: str = "") -> Hit:
    """Returns the line of a notification that waits, with the time until which it does."""
    hit = row_hit(row, sight, known)
    return replace(hit, facts=(*hit.facts, f"until {printed(row.due_at)}" if row.due_at else ""))


def letter_hit(letter: Any, sight: Sight, known: str = "") -> Hit:
    """Returns the line of a dead letter, as row_hit does. `letter` is of find.letters_by_key."""
    row = letter.notification
    what = _about(row, sight, letter.beginning) if row else "a record that could not be read"
    receiver, category = (sight.receiver(row), row.category) if row else ("", "")
    person = sight.person(_other(letter.user, known))
    return Hit(
        reverse("admin:dlq_deadletter_change", args=[letter.pk]),
        f"#{letter.pk} {what}",
        _facts(letter.channel, receiver, person, category, in_words("cause", letter.cause)),
        letter.died_at,
        in_words("state", letter.state),
        LETTER_TONES.get(letter.state, ""),
    )


def _why(row: Any) -> str:
    """Returns why it waits, failed or was suppressed, in words; "" for what was simply sent."""
    if row.status in (Status.WAITING, Status.SUPPRESSED):
        return in_words("reason", row.reason)
    return in_words("cause", row.last_cause) if row.last_cause and row.status != Status.SENT else ""


def _other(user: str, known: str) -> str:
    return user if user != known else ""


def _about(row: Any, sight: Sight, beginning: str | None = None) -> str:
    if row.texts_removed:
        return sight.receiver(row)
    return sight.about(row.category, row.subject, row.beginning if beginning is None else beginning) or "(no text)"


def _facts(*facts: str) -> tuple[str, ...]:
    return tuple(fact for fact in facts if fact)


def _persons(term: find.Term, people: list[User], rows: Sequence[Any], sight: Sight) -> list[Hit]:
    """Returns the people of the directory, then users and addresses that only the ledger knows."""
    hits = [
        Hit(person_url(each.username, key=each.pk), sight.person(each.username), _facts(each.name)) for each in people
    ]
    known = {user.username for user in people}
    for each in rows:
        if not _is_of_a_person(term, each) or each.user in known or (not each.user and people):
            continue
        known.add(each.user)
        row = each if isinstance(each, Notification) else each.notification
        if row is not None:
            where = "not in the directory" if each.user else NO_USER
            name = sight.person(each.user) or f"{row.channel} {sight.receiver(row)}"
            hits.append(Hit(person_url(each.user, notification=row.pk), name, (where,)))
    return hits


def _is_of_a_person(term: find.Term, each: Any) -> bool:
    """Says whether this row was found by its user or receiver, and so belongs to a person who was looked for."""
    was = each.was_receiver_hash if isinstance(each, DeadLetter) else ""
    return each.user == term.typed or bool({each.receiver_hash, was} & set(term.hashes))


def _only(groups: list[Group], *, theirs: bool) -> str:
    """Returns the page of the one hit: of a person whose page shows whatever else was found, or of the one thing."""
    people, letters, notifications, others = (group.hits for group in groups)
    cases = [*letters, *notifications]
    if not people or others:
        every = [*people, *cases, *others]
        return every[0].url if len(every) == 1 else ""
    if len(people) > 1 or not theirs:
        return ""
    return cases[0].url if NO_USER in people[0].facts and len(cases) == 1 else people[0].url


def _numbered(term: find.Term, may: Tables) -> Iterator[Hit]:
    """Yields the run or the problem that the term names, such as "run 12"."""
    for model, word in ((Run, "run"), (Problem, "problem")):
        number = number_of(term.typed, "", word) if may.letters and word in term.typed.lower() else None
        if number is None:
            continue
        url = page_url(f"dlq_{word}", number) or page_url(f"dlq_{word}_change", number)
        if url and model.objects.filter(pk=number).exists():
            yield Hit(url, f"{word.capitalize()} {number}")


def _receipts(request: HttpRequest, term: find.Term) -> Iterator[Hit]:
    """Yields the list of receipts without a notification where one has the provider's id that the term may be."""
    if not (term.may_be_provider_id and may_see(request, "notifications", "receipt")):
        return
    if Receipt.objects.without_notification().filter(provider_message_id__in=term.provider_ids).exists():
        page = f"{reverse('admin:notifications_receipt_changelist')}?{urlencode({'q': term.typed})}"
        yield Hit(page, "Receipts without a notification")


def _pages(request: HttpRequest, term: find.Term) -> Iterator[Hit]:
    """Yields the pages of the sidebar whose name begins with the term."""
    typed = term.typed.lower()
    if len(typed) < FEWEST_OF_A_PAGE:
        return
    sidebar = admin.site.each_context(request).get("sidebar_navigation", [])
    for group in sidebar:
        for item in group["items"]:
            if str(item["title"]).lower().startswith(typed):
                yield Hit(str(item["link"]), str(item["title"]))
