"""The page of one person: who it is, what is open, their devices, and what they were sent."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse

from dlq.admin.choices.cards import Whom, cards
from dlq.admin.choices.outlook import Device
from dlq.admin.finding import person as people
from dlq.admin.finding.hits import Tables, letter_hit, row_hit, waiting_hit
from dlq.admin.finding.person import MOST_COUNTED, MOST_OPEN, PERIODS, DeviceLine, Person
from dlq.models import DeadLetter
from notifications.messages.ids import receiver_hash
from project.desk.audit import printed
from project.desk.in_words import in_words
from project.desk.links import page_url, person_url
from project.desk.marks import mark_when_rendered
from project.desk.rights import Right, may_any
from project.desk.sight import Sight, sight_of
from project.desk.spelling import LONGEST_NUMBER, as_id
from users.recipients.facts import Receiver

LONGEST_USERNAME = 150
WAYS = ("user", "person", "device", "notification")  # parameters that name somebody


def person_view(request: HttpRequest) -> HttpResponse:
    """Shows the person of `user`, `person` (their key), `device` or `notification`. Writes nothing."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    tables = Tables(request)
    if not tables.notifications:
        raise PermissionDenied
    person = _person(request.GET)
    if person is None:
        messages.warning(request, "Nobody is known by that. Look for them here.")
        return HttpResponseRedirect(reverse("admin:desk_find"))
    request.current_app = admin.site.name
    context = {**admin.site.each_context(request), **_context(request, person, tables)}
    return mark_when_rendered(TemplateResponse(request, "dlq/person.html", context))


def _person(query: QueryDict) -> Person | None:
    """Returns the person whom the query names, or None."""
    username = query.get("user", "")
    if username and len(username) <= LONGEST_USERNAME and "\x00" not in username:
        return people.of_user(username)
    for name, find in (("person", people.of_key), ("device", people.of_device)):
        if key := _number(query.get(name, "")):
            return find(key)
    id = as_id(query.get("notification", ""))
    return people.of_notification(id) if id else None


def _number(digits: str) -> int:
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= LONGEST_NUMBER else 0


def _context(request: HttpRequest, person: Person, tables: Tables) -> dict[str, Any]:
    sight = sight_of(request)
    period = request.GET.get("days", "7")
    period = period if period in PERIODS else "7"
    before = as_id(request.GET.get("before", ""))
    rows, more = people.sent(person, period, before)
    cases = people.open_letters(person) if tables.letters and not before else []
    waits, more_wait = ([], False) if before else people.waiting(person)
    return {
        "title": _name(person, sight, may_see_people=tables.people),
        "person": person,
        "username": sight.person(person.username),
        "listed": person.user if tables.people else None,
        "sentence": "" if before else _sentence(people.statuses_of(person, period), cases, period),
        "cases": [letter_hit(each, sight, person.username) for each in cases[:MOST_OPEN]],
        "more_cases": len(cases) > MOST_OPEN,
        "waiting": [waiting_hit(each, sight, person.username) for each in waits],
        "more_waiting": more_wait,
        "choices": _choices(request, person, sight) if tables.people and not before else None,
        "devices": _devices(request, person, sight) if tables.people and not before else [],
        "rows": [row_hit(each, sight, person.username) for each in rows],
        "older": _query(request, days=period, before=str(rows[-1].pk)) if more else "",
        "newest": _query(request, days=period) if before else "",
        "periods": [(words, _query(request, days=days), days == period) for days, words in PERIODS.items()],
        "period": PERIODS[period],
        "all_cases": _all_cases(person),
        "replay": _replay(request, person, cases),
        "others": any(each.user != person.username for each in cases),
        "directory": _directory(person) if tables.people else "",
    }


def _name(person: Person, sight: Sight, *, may_see_people: bool) -> str:
    if person.address is not None:
        return f"{person.address.channel} {sight.receiver(person.address)}"
    name = person.user.name if person.user and may_see_people else ""
    username = sight.person(person.username)
    return f"{name} ({username})" if name else username


def _sentence(counts: Counter[str], cases: list[DeadLetter], period: str) -> str:
    """Returns where things stand with this person, in one or two sentences."""
    total = sum(counts.values())
    when = "at any time that is kept" if period == "all" else f"in the last {PERIODS[period]}"
    if total > MOST_COUNTED:
        what = f"More than {MOST_COUNTED:,} notifications {when}"
    elif total:
        what = f"{total:,} notification{'s' if total > 1 else ''} {when}"
    else:
        return f"{_open(cases)} Nothing was sent to them {when}."
    of_which = ", ".join(f"{count:,} {in_words('status', status)}" for status, count in counts.most_common())
    return f"{_open(cases)} {what}: {'of the newest, ' if total > MOST_COUNTED else ''}{of_which}."


def _open(cases: list[DeadLetter]) -> str:
    if not cases:
        return "Nothing is open."
    count = f"More than {MOST_OPEN} cases are open" if len(cases) > MOST_OPEN else f"{len(cases)} cases are open"
    count = "One case is open" if len(cases) == 1 else count
    return f"{count}; the newest died at {printed(cases[0].died_at)}: {in_words('cause', cases[0].cause)}."


def _devices(request: HttpRequest, person: Person, sight: Sight) -> list[dict[str, Any]]:
    may_change = request.user.has_perm("users.change_device")
    return [_device(line, sight, may_change=may_change) for line in people.device_lines(person)]


def _device(line: DeviceLine, sight: Sight, *, may_change: bool) -> dict[str, Any]:
    return {
        "channel": line.device.channel,
        "address": sight.address(line.device.channel, line.device.address),
        "sent": printed(line.sent_at),
        "died": printed(line.died_at),
        "why": line.why,
        "correct": reverse("admin:users_device_change", args=[line.device.pk]) if may_change else "",
    }


def _choices(request: HttpRequest, person: Person, sight: Sight) -> dict[str, Any]:
    """Returns the cards about what the person chose, with what their links and their form need to name the person."""
    whom = Whom(
        person.username, person.user.pk if person.user else None, _reached(person, sight), _labels(person, sight)
    )
    found = cards(request, whom, sight, changes_before=_number(request.GET.get("changes", "")))
    older = found["chosen"]["older"] if found["chosen"] else 0
    return found | {
        "named": {"person": whom.key} if whom.key else {"notification": request.GET.get("notification", "")},
        "older_changes": _query(request, changes=str(older)) if older else "",
        "newest_changes": _query(request) if request.GET.get("changes") else "",
    }


def _reached(person: Person, sight: Sight) -> list[Device]:
    """Returns where something can be sent to the person."""
    row = person.address
    if row is None:
        places = [(str(each.pk), each.channel, each.address) for each in person.devices]
    else:
        places = [] if row.texts_removed else [("", row.channel, row.receiver)]
    return [
        Device(
            key,
            Receiver(person.username, channel, address, receiver_hash(channel, address)),
            f"{channel} {sight.address(channel, address)}",
        )
        for key, channel, address in places
    ]


def _labels(person: Person, sight: Sight) -> dict[str, tuple[str, str]]:
    """Returns each address by its hashes, whole and as it may be seen."""
    if person.address is not None:
        return dict.fromkeys(person.hashes, (person.address.receiver, sight.receiver(person.address)))
    return {
        each: (device.address, sight.address(device.channel, device.address))
        for device in person.devices
        for each in person.hashes_of_devices[device.pk]
    }


def _replay(request: HttpRequest, person: Person, cases: list[DeadLetter]) -> str:
    """Returns the address of the question for a run of this person's letters; "" where there is none for them.

    Those that were sent to the address of a device for no user, or for another one, are not among them.
    """
    theirs = any(each.user == person.username for each in cases)
    if not theirs or not _all_cases(person) or not may_any(request, (Right.REPLAY, Right.REPLAY_MANY)):
        return ""
    return page_url("dlq_run_ask", user=person.username)


def _all_cases(person: Person) -> str:
    """Returns the address of the list of this person's open letters; "" where their id may stand in no URL."""
    named = person.username and "user=" in person_url(person.username)
    return page_url("dlq_deadletter_changelist", user=person.username) if named else ""


def _directory(person: Person) -> str:
    return reverse("admin:users_user_change", args=[person.user.pk]) if person.user else ""


def _query(request: HttpRequest, **more: str) -> str:
    """Returns the query string that names the same person, with these parameters."""
    named = QueryDict(mutable=True)
    for name in WAYS:
        if name in request.GET:
            named[name] = request.GET[name]
    named.update(more)
    return f"?{named.urlencode()}"
