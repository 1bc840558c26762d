"""What comes in: batches of notifications to bare addresses and to people, and cancels of some of them."""

from __future__ import annotations

import random
import threading
import time
from datetime import UTC, datetime, timedelta

from harness.platform.web import Answer
from tests.faults.site import Site
from tests.faults.soak.caller import Caller, is_done
from tests.faults.soak.people import CAPPED, CHOSEN, People
from tests.faults.soak.wishes import Addressed

BATCH = 12  # notifications in a batch
EVERY = 0.25  # seconds between two batches
HELD_SHARE = 0.2  # of the batches, in a category in which a person decides about unknown outcomes
DIGESTED_SHARE = 0.2  # of the batches, in a category that is digested, to one of a few receivers
DIGEST_RECEIVERS = 5
PEOPLE_SHARE = 0.25  # of the batches, to people in the categories that they choose, or in one that has a cap
CAPPED_SHARE = 0.15  # of what goes to people
LATER_SHARE = 0.2  # of the batches, scheduled for up to LONGEST_LATER seconds ahead
LONGEST_LATER = 20.0
PUNCTUAL = 15.0  # seconds; what is scheduled for later than that expires soon after its time
CANCELLED_SHARE = 0.2  # of the batches: one of its notifications, at once or some batches later
STRANGERS_SHARE = 0.05  # of the batches: a client to whom it does not belong cancels one


class Traffic(threading.Thread):
    """Posts batches through any web; what was answered 202 is the site's, what got no answer is only perhaps there.

    `addressed` says by its text to whom each notification goes.
    """

    def __init__(self, site: Site, people: People, dice: random.Random) -> None:
        super().__init__(daemon=True)
        self.site = site
        self.cancels = Cancels(site, dice)
        self.addressed: dict[str, Addressed] = {}
        self.perhaps = 0
        self.refused = 0
        self._people = people
        self._caller = Caller(site, dice)
        self._dice = dice
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.wait(EVERY):
            items = self._items(self._fields())
            now = time.time()
            self.addressed |= {item["message"]: _addressed(item, now) for item in items}
            self._note(self._caller.ask("POST", "/notifications", {"notifications": items}), items)

    def stop(self) -> None:
        self._stop_asked.set()
        self.join()

    def _fields(self) -> dict[str, str]:
        fields = {"priority": self._dice.choice(("transactional", "bulk"))}
        if self._dice.random() < LATER_SHARE:
            ahead = self._dice.uniform(0.5, LONGEST_LATER)
            at = datetime.now(UTC) + timedelta(seconds=ahead)
            fields["send_at"] = at.isoformat()
            if ahead > PUNCTUAL:
                fields["latest_at"] = (at + timedelta(seconds=0.5)).isoformat()
        return fields

    def _items(self, fields: dict[str, str]) -> list[dict[str, str]]:
        share = self._dice.random()
        if share < HELD_SHARE:
            return self.site.items(BATCH, **fields, category="careful")
        if (share := share - HELD_SHARE) < DIGESTED_SHARE:
            receiver = f"digests{self._dice.randrange(DIGEST_RECEIVERS)}@example.com"
            return self.site.items(BATCH, "EMAIL", **fields, category="news", receiver=receiver)
        if share - DIGESTED_SHARE < PEOPLE_SHARE:
            return [self._to_somebody(fields) for _ in range(BATCH)]
        return self.site.items(BATCH, **fields)

    def _to_somebody(self, fields: dict[str, str]) -> dict[str, str]:
        person = self._dice.choice(self._people.all)
        category = CAPPED if self._dice.random() < CAPPED_SHARE else self._dice.choice(CHOSEN)
        channel = self._dice.choice(("EMAIL", "SMS"))
        kept = {name: value for name, value in fields.items() if name != "latest_at"}  # it would pass quiet hours
        return self.site.items(1, channel, **kept, category=category, user=person.name)[0]

    def _note(self, answer: Answer | None, items: list[dict[str, str]]) -> None:
        if is_done(answer, 202) and answer:
            ids = [entry["id"] for entry in answer.json()["notifications"]]
            self.site.accepted |= {id: item["message"] for id, item in zip(ids, items, strict=True)}
            self.cancels.some_of(ids)
            return
        self.perhaps += len(items)
        self.refused += answer is not None


def _addressed(item: dict[str, str], now: float) -> Addressed:
    return Addressed(now, item.get("user", ""), item["type"], item.get("category", "default"))


class Cancels:
    """Cancels some of what was accepted, and remembers what was answered."""

    def __init__(self, site: Site, dice: random.Random) -> None:
        self.done: set[str] = set()  # 200
        self.perhaps: set[str] = set()  # no answer, or 503
        self.too_late = 0
        self._site = site
        self._caller = Caller(site, dice)
        self._dice = dice
        self._stranger = site.platform.create_api_key("send", client="stranger")
        self._waiting: list[str] = []

    def some_of(self, ids: list[str]) -> None:
        if self._dice.random() < CANCELLED_SHARE:
            self._waiting.append(self._dice.choice(ids))
        if self._waiting and self._dice.random() < 0.5:
            self._cancel(self._waiting.pop(0))
        if self._dice.random() < STRANGERS_SHARE:
            stranger = {"Authorization": f"Bearer {self._stranger}"}
            self._caller.ask("DELETE", f"/notification/{self._dice.choice(ids)}", headers=stranger)

    def check(self) -> None:
        """AssertionError where a promise was broken. That none of them was sent, the balance looks."""
        cancelled = self._site.ids("status = 'cancelled'")
        assert self.done <= cancelled, f"answered as cancelled, and are not: {self.done - cancelled}"
        assert cancelled <= self.done | self.perhaps, f"nobody cancelled these: {cancelled - self.done - self.perhaps}"
        assert not self._site.ids("client = 'stranger'"), "a stranger's stub stands where a record has come"

    def _cancel(self, id: str) -> None:
        answer = self._caller.ask("DELETE", f"/notification/{id}")
        if not is_done(answer, 200, 409):
            self.perhaps.add(id)
        elif answer and answer.status == 200:
            self.done.add(id)
        else:
            self.too_late += 1
