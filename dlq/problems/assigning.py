"""Gives dead letters their problem, in batches that schedulers take side by side.

A batch is one transaction with a constant number of statements: whoever is killed in it has done nothing. A letter is
taken while it has no problem, so each death is counted once. Problems are locked in the order of their numbers, and
made in the order of their keys, so that two schedulers never wait for each other in a circle.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from dlq.models import COPIED, DeadLetter, Problem
from dlq.problems.fingerprint import OTHERS, VERSION, example, fingerprint
from notifications.channels import domain_of
from notifications.messages.ids import span
from notifications.models import Notification
from project.database.dialects import Dialect, Statement, as_json, repeated, turn_to_write

BATCH = 1_000
SECONDS_A_CALL = 1.0  # a scheduler has other work; what is left is for the next call
LONGEST_DOMAIN = 255
MOST_PROBLEMS = 2_000  # beyond these, what is new joins the others of its channel, provider and cause

_KEY = {"place": "integer", **dict.fromkeys(("channel", "provider", "cause", "fingerprint"), "text")}
_TIMES = dict.fromkeys(("first", "last"), "timestamptz")
_READ = ("pk", "channel", "provider", "cause", "error", "died_at", "notification_id", "problem_id", "receiver_hash")


class Key(NamedTuple):
    """What makes a problem, together with the version of the fingerprint."""

    channel: str
    provider: str
    cause: str
    fingerprint: str


class Taken(NamedTuple):
    """A letter that gets its problem. `was` is the one that an older version gave it."""

    id: int
    channel: str
    provider: str
    cause: str
    error: str
    died_at: datetime
    notification_id: UUID | None
    was: int | None
    receiver_hash: str

    @property
    def key(self) -> Key:
        return Key(self.channel, self.provider, self.cause, fingerprint(self.error))


@dataclass
class Group:
    """The letters of a batch that belong to one problem."""

    letters: list[Taken] = field(default_factory=list)

    @property
    def hours(self) -> Counter[datetime]:
        return Counter(hour_of(letter.died_at) for letter in self.letters)

    def as_row(self) -> dict[str, object]:
        died = [letter.died_at.astimezone(UTC) for letter in self.letters]
        was = min((letter.was for letter in self.letters if letter.was), default=None)
        return {
            "first": min(died),
            "last": max(died),
            "deaths": len(died),
            "example": example(self.letters[-1].error),
            "was": was,
        }


def assign_all(seconds: float = SECONDS_A_CALL) -> int:
    """Gives letters their problem until none is left or the time is over. Returns how many got one."""
    until, done = time.monotonic() + seconds, 0
    while _unassigned().exists() or _outdated().exists():
        count = assign(BATCH)
        done += count
        if count == 0 or time.monotonic() >= until:
            break
    return done


def assign(limit: int) -> int:
    """Gives the next letters their problem. Returns how many. Skips letters that somebody else has locked."""
    with turn_to_write():
        return repeated(lambda: _assign(limit))


def hour_of(moment: datetime) -> datetime:
    """Returns the beginning of its hour, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


@transaction.atomic
def _assign(limit: int) -> int:
    letters = _as_opened_now(_take(_unassigned(), limit)) or _take(_outdated(), limit)
    groups: dict[Key, Group] = {}
    for letter in letters:
        groups.setdefault(letter.key, Group()).letters.append(letter)
    problems = _lock(_find_or_make(groups)) if groups else {}
    _add(problems)
    return sum(len(group.letters) for group in problems.values())


def _take(letters: QuerySet[DeadLetter], limit: int) -> list[Taken]:
    locked = letters.order_by("pk").select_for_update(skip_locked=True, of=("self",))
    return [Taken(*row) for row in locked.values_list(*_READ)[:limit]]


def _as_opened_now(letters: list[Taken]) -> list[Taken]:
    """Returns the letters, each with its provider. A sender of 1.0 copied nothing of the notification into its own."""
    ids = {letter.notification_id: letter for letter in letters if letter.notification_id and not letter.receiver_hash}
    if not ids:
        return letters
    rows = as_json([{"letter": letter.id, "id": id} for id, letter in ids.items()])
    providers = dict(copy_from_notifications(rows=rows, **span(ids)))
    return [letter._replace(provider=providers.get(letter.id, letter.provider)) for letter in letters]


def _unassigned() -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(problem=None)


def _outdated() -> QuerySet[DeadLetter]:
    """Returns the letters whose problem an older version made. A newer one is left to the newer schedulers."""
    letters = DeadLetter.objects.filter(problem=OuterRef("pk"))
    older = Problem.objects.filter(Exists(letters), version__lt=VERSION)
    return DeadLetter.objects.filter(problem_id__in=list(older.values_list("pk", flat=True)))


def _find_or_make(groups: dict[Key, Group]) -> dict[int, Group]:
    """Returns the groups by their problem's id. Where there are too many problems, new answers become one group."""
    found = _find(groups)
    missing = {key: group for key, group in groups.items() if key not in found}
    if not missing:
        return {found[key]: group for key, group in groups.items()}
    if Problem.objects.filter(version=VERSION).count() >= MOST_PROBLEMS:
        missing = _joined(missing)
    _make(missing)
    found |= _find(missing)
    known = [(found[key], group) for key, group in groups.items() if key in found and key not in missing]
    return _merged([*known, *((found[key], group) for key, group in missing.items() if key in found)])


def _joined(groups: Mapping[Key, Group]) -> dict[Key, Group]:
    joined: dict[Key, Group] = {}
    for key, group in groups.items():
        joined.setdefault(key._replace(fingerprint=OTHERS), Group()).letters += group.letters
    return joined


def _merged(pairs: Iterable[tuple[int, Group]]) -> dict[int, Group]:
    merged: dict[int, Group] = {}
    for id, group in pairs:
        merged.setdefault(id, Group()).letters += group.letters
    return merged


def _find(keys: Iterable[Key]) -> dict[Key, int]:
    places = list(keys)
    rows = [{"place": place, **key._asdict()} for place, key in enumerate(places)]
    return {places[place]: id for id, place in find_problems(rows=as_json(rows), version=VERSION)}


def _make(groups: Mapping[Key, Group]) -> None:
    rows = [{"place": place, **key._asdict(), **groups[key].as_row()} for place, key in enumerate(sorted(groups))]
    make_problems(rows=as_json(rows), version=VERSION)


def _lock(groups: Mapping[int, Group]) -> dict[int, Group]:
    """Returns the groups whose problem is still there, and locks these problems. Retention may have removed one."""
    problems = Problem.objects.filter(pk__in=list(groups)).order_by("pk").select_for_update(no_key=True)
    return {pk: groups[pk] for pk in problems.values_list("pk", flat=True)}


def _add(problems: Mapping[int, Group]) -> None:
    """Adds the deaths to the problems and their hours, and writes into each letter which one it belongs to."""
    if not problems:
        return
    add_deaths(rows=as_json([{"id": id, **group.as_row()} for id, group in problems.items()]))
    hours = [
        {"problem": id, "hour": hour, "deaths": count}
        for id, group in problems.items()
        for hour, count in group.hours.items()
    ]
    add_hours(rows=as_json(hours))
    letters = [(letter, id) for id, group in problems.items() for letter in group.letters]
    domains = _domains([letter for letter, _ in letters])
    rows = [{"id": letter.id, "problem": id, "domain": domains.get(letter.id, "")} for letter, id in letters]
    set_problems(rows=as_json(rows))


def _domains(letters: Sequence[Taken]) -> dict[int, str]:
    """Returns the receivers' domains by letter, for the channels that have domains."""
    ids = {letter.notification_id: letter.id for letter in letters if letter.notification_id}
    within = (span(ids)["first"], span(ids)["last"])
    rows = Notification.objects.filter(id__in=list(ids), id__range=within).values_list("id", "channel", "receiver")
    return {ids[id]: domain_of(channel, receiver)[:LONGEST_DOMAIN] for id, channel, receiver in rows}


_SAME = " AND ".join(f"n.{name} = r.{name}" for name in Key._fields)


@Statement
def find_problems(d: Dialect) -> str:
    return f"""
        SELECT n.id, r.place FROM {d.rows(_KEY)}
        JOIN dlq_problem AS n ON {_SAME} AND n.version = %(version)s"""


@Statement
def make_problems(d: Dialect) -> str:
    """What staff wrote about the problem of an older version is kept."""
    return f"""
        INSERT INTO dlq_problem (
            channel, provider, cause, fingerprint, version, example, first_seen, last_seen,
            state, owner, note, link, quiet_until, quiet_below, changed_at,
            growing, deaths, open_letters, receivers)
        SELECT r.channel, r.provider, r.cause, r.fingerprint, %(version)s, r.example, r.first, r.last,
            coalesce(o.state, '{Problem.State.NEW}'), coalesce(o.owner, ''), coalesce(o.note, ''),
            coalesce(o.link, ''), o.quiet_until, o.quiet_below, coalesce(o.changed_at, {d.now}),
            false, 0, 0, 0
        FROM {d.rows(_KEY | _TIMES | {"example": "text", "was": "bigint"})}
        LEFT JOIN dlq_problem AS o ON o.id = r.was
        WHERE true ORDER BY r.place ON CONFLICT DO NOTHING"""


@Statement
def add_deaths(d: Dialect) -> str:
    """A fixed problem is back where a letter died after somebody called it fixed."""
    return f"""
        UPDATE dlq_problem AS n SET deaths = n.deaths + r.deaths,
            first_seen = CASE WHEN r.first < n.first_seen THEN r.first ELSE n.first_seen END,
            last_seen = CASE WHEN r.last > n.last_seen THEN r.last ELSE n.last_seen END,
            state = CASE WHEN n.state = '{Problem.State.FIXED}' AND r.last > n.changed_at
                THEN '{Problem.State.BACK}' ELSE n.state END
        FROM {d.rows({"id": "bigint", "deaths": "integer"} | _TIMES)} WHERE n.id = r.id"""


@Statement
def add_hours(d: Dialect) -> str:
    return f"""
        INSERT INTO dlq_problemhour AS n (problem_id, hour, deaths)
        SELECT r.problem, r.hour, r.deaths
        FROM {d.rows({"problem": "bigint", "hour": "timestamptz", "deaths": "integer"})} WHERE true
        ON CONFLICT (problem_id, hour) DO UPDATE SET deaths = n.deaths + excluded.deaths"""


@Statement
def copy_from_notifications(d: Dialect) -> str:
    copied = ", ".join(f'"{name}" = o."{name}"' for name in COPIED)
    return f"""
        UPDATE dlq_deadletter AS n SET {copied}, uncertain = o.uncertain_count > 0
        FROM {d.rows({"letter": "bigint", "id": "uuid"})}
        JOIN notifications_notification AS o ON o.id = r.id AND o.id BETWEEN %(first)s AND %(last)s
        WHERE n.id = r.letter
        {d.returning("id", "provider")}"""


@Statement
def set_problems(d: Dialect) -> str:
    return f"""
        UPDATE dlq_deadletter AS n SET problem_id = r.problem, receiver_domain = r.domain
        FROM {d.rows({"id": "bigint", "problem": "bigint", "domain": "text"})} WHERE n.id = r.id"""
