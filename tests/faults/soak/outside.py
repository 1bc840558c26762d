"""What happens outside the platform while it runs: people change their minds, and providers report."""

from __future__ import annotations

import random
import threading

from tests.faults.site import Site
from tests.faults.soak.people import People
from tests.faults.soak.receipts import Receipts

EVERY = 0.25  # seconds between two steps


class Outside(threading.Thread):
    def __init__(self, site: Site, people: People, dice: random.Random) -> None:
        super().__init__(daemon=True)
        self.people = people
        self.receipts = Receipts(site, people, dice)
        self._dice = dice
        self._stop_asked = threading.Event()

    def run(self) -> None:
        wishes = [wish for each in self.people.wishes.values() for wish in each]
        while not self._stop_asked.wait(EVERY):
            wish = self._dice.choice(wishes)
            if wish.why == "stop":
                self.receipts.answer(wish)
            else:
                self.people.change(wish)
            self.receipts.step()

    def stop(self) -> None:
        """Returns once each callback is answered."""
        self._stop_asked.set()
        self.join()
        self.receipts.finish()
