"""The people of the demo, and their devices."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

FIRST = (
    *("Anna", "Ben", "Carla", "David", "Emma", "Felix", "Greta", "Hassan", "Ines", "Jonas", "Klara", "Liam"),
    *("Mila", "Noah", "Olga", "Paul", "Quinn", "Rosa", "Samir", "Tilda"),
)
LAST = ("Berg", "Costa", "Dahl", "Evans", "Fischer", "Garcia", "Haas", "Ivanova", "Jansen", "Kaya")
# What people type instead of the domain they mean.
MISTYPED = ("gmial.com", "gmial.com", "gmial.com", "hotmial.com", "yaho.com")


class Somebody(NamedTuple):
    """A person of the main application, with an address on each channel."""

    username: str
    name: str
    email: str
    number: str
    slack: str

    def address(self, channel: str) -> str:
        return {"EMAIL": self.email, "SMS": self.number, "SLACK": self.slack}[channel]


def people(random: Random, count: int = 180) -> list[Somebody]:
    """Returns so many people, each different. The first of them is Anna Berg, at example.com."""
    pairs = [(first, last) for last in LAST for first in FIRST][:count]
    return [_somebody(random, place, first, last) for place, (first, last) in enumerate(pairs)]


def _somebody(random: Random, place: int, first: str, last: str) -> Somebody:
    local = f"{first}.{last}".lower()
    domain = "example.com" if place % 3 else random.choice(("example.org", "example.net"))
    email = "anna@example.com" if not place else f"{local}@{domain}"
    slack = "U" + "".join(random.choices("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", k=10))
    # Numbers that the regulator keeps for fiction.
    return Somebody(f"u{1000 + place}", f"{first} {last}", email, f"+44770090{place:04}", slack)
