"""The people of the soak, and what they choose while it runs."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from math import inf
from zoneinfo import ZoneInfo

from tests.faults.site import Site
from tests.faults.soak.caller import Caller, is_done
from tests.faults.soak.wishes import Change, Wish
from users.recipients.quiet import spread

PEOPLE = 12
SLEEPERS = 4  # who have quiet hours
CHOSEN = ("offers", "news")  # the categories that people switch off and on; news are digested
CAPPED = "birthdays"
CAP, CAP_SECONDS = 2, 6
ZONES = ("Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Auckland")
SHORTEST_QUIET = 15.0  # seconds; quiet hours end with a minute
AWAKE = 20.0  # seconds between two of them
EARLY = timedelta(seconds=5)


@dataclass(frozen=True)
class Person:
    name: str
    number: str
    zone: str

    @property
    def mail(self) -> str:
        return f"{self.name}@example.com"


class People:
    """`wishes` are those of each person, by name."""

    def __init__(self, site: Site, dice: random.Random) -> None:
        self._caller = Caller(site, dice)
        self._dice = dice
        numbers = range(9_000_000, 9_000_000 + PEOPLE)  # which no other notification has
        self.all = [
            Person(name, site.providers.receiver("SMS", number), ZONES[number % len(ZONES)])
            for name, number in zip(islice(_early_wakers(), PEOPLE), numbers, strict=True)
        ]
        self.wishes = {person.name: list(_wishes(person)) for person in self.all}
        for person in self.all[:SLEEPERS]:
            self.wishes[person.name].append(Wish(person.name, "quiet"))

    def register(self) -> None:
        """Puts them into the directory."""
        for person in self.all:
            devices = [{"type": "EMAIL", "address": person.mail}, {"type": "SMS", "address": person.number}]
            answer = self._caller.ask("PUT", f"/users/{person.name}", {"name": person.name, "devices": devices})
            assert is_done(answer, 201), "no web has answered"

    def wish_of(self, number: str, why: str) -> Wish | None:
        """Returns the wish of the person with this number, or None where it is nobody's."""
        names = (person.name for person in self.all if person.number == number)
        return next((wish for name in names for wish in self.wishes[name] if wish.why == why), None)

    def change(self, wish: Wish) -> None:
        """Has somebody change their mind, or somebody else lift a suppression. What a text says is for others."""
        if wish.why == "choice":
            self._choose(wish)
        elif wish.why == "quiet":
            self._go_to_bed(wish)
        elif wish.why == "bounced" and wish.keeps and not wish.is_open:
            self._lift(wish)

    def _choose(self, wish: Wish) -> None:
        choice = self._dice.choice(("on", None)) if wish.keeps else "off"
        self._patch(wish, {"choices": [{"category": wish.category, "choice": choice}]}, keeps=choice == "off")

    def _go_to_bed(self, wish: Wish) -> None:
        """Quiet hours that began long ago and end soon, on the clocks of the person's zone."""
        now = time.time()
        if wish.changes and now < wish.changes[-1].until + AWAKE:
            return
        until = (now + SHORTEST_QUIET) // 60 * 60 + 60
        zone = next(person.zone for person in self.all if person.name == wish.person)
        end = datetime.fromtimestamp(until, ZoneInfo(zone))
        hours = {"start": f"{end - timedelta(hours=6):%H:%M}", "end": f"{end:%H:%M}"}
        self._patch(wish, {"time_zone": zone, "quiet": hours}, keeps=True, until=until)

    def _patch(self, wish: Wish, body: object, *, keeps: bool, until: float = inf) -> None:
        asked = time.time()
        done = is_done(self._caller.ask("PATCH", f"/users/{wish.person}/preferences", body), 200)
        wish.changes.append(Change(asked, time.time(), done, keeps, until))

    def _lift(self, wish: Wish) -> None:
        number = next(person.number for person in self.all if person.name == wish.person)
        asked, body = time.time(), {"type": "SMS", "receiver": number, "reason": "bounced"}
        done = is_done(self._caller.ask("DELETE", "/suppressions", body), 204, 404)
        wish.changes.append(Change(asked, time.time(), done, keeps=False))


def _wishes(person: Person) -> Iterator[Wish]:
    for category in CHOSEN:
        yield Wish(person.name, "choice", category=category)
    yield Wish(person.name, "stop", channel="SMS")
    yield Wish(person.name, "bounced", channel="SMS")


def _early_wakers() -> Iterator[str]:
    """Yields names whose hash lets them wake soon after their quiet hours, which others do within ten minutes."""
    noon = datetime(2030, 1, 1, 12, tzinfo=UTC)
    return (name for name in (f"person{number}" for number in count()) if spread(noon, name, ()) < noon + EARLY)
