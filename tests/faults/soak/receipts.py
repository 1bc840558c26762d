"""What Twilio tells the site: what became of texts, and what people answer. Some of it twice, some of it forged."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import UUID, uuid4

from twilio.request_validator import RequestValidator

from harness.fakes.twilio import Text
from harness.platform.web import Answer
from harness.services.waiting import wait_until
from tests.faults.site import Site
from tests.faults.soak.caller import Caller, is_done
from tests.faults.soak.people import People
from tests.faults.soak.wishes import Change, Wish
from tests.notifications.callbacks import PUBLIC_URL, status_of, text_of

INBOUND = f"{PUBLIC_URL}/callbacks/twilio/inbound"
FORM = "application/x-www-form-urlencoded"
REPORTED_SHARE = 0.6  # of the texts
BOUNCED_SHARE = 0.1  # of those to people
REPEATED_SHARE = 0.3  # of the calls, at once; some more come much later
FORGED_SHARE = 0.3  # of the steps
AT_ONCE = 12  # calls in a step


class Fate(NamedTuple):
    """What becomes of a text: Twilio's status and code, and the type of the receipt, where one is stored."""

    status: str
    code: str = ""
    type: str = ""


BOUNCED = Fate("failed", "21614", "bounced")
SOFT_BOUNCED = Fate("undelivered", "30003", "soft-bounced")  # four of these would keep a person's texts back
OTHERS = (
    Fate("sent"),
    Fate("delivered", type="delivered"),
    Fate("delivered", type="delivered"),
    Fate("undelivered", "30007", "undelivered"),
    Fate("failed", "30008", "undelivered"),
)


class Receipt(NamedTuple):
    """As the database is to have it, once."""

    sid: str
    type: str
    notification: str  # its id in hex, or ""


@dataclass
class Call:
    """One that is made until it is answered. `keeps` is what becomes of the wish, where there is one, from then on."""

    url: str
    form: Mapping[str, str]
    receipt: Receipt | None = None
    wish: Wish | None = None
    keeps: bool = False
    asked: float = 0.0


class Receipts:
    """`taken` are those that were answered with a 2xx, and are stored from then on; `forged` counts the others."""

    def __init__(self, site: Site, people: People, dice: random.Random) -> None:
        self.taken: set[Receipt] = set()
        self.repeated = 0
        self.forged = 0
        self._site = site
        self._people = people
        self._caller = Caller(site, dice)
        self._dice = dice
        self._sign = RequestValidator(site.providers.twilio.token).compute_signature
        self._seen = 0
        self._waiting: list[Call] = []
        self._answered: list[Call] = []

    def step(self) -> None:
        """Makes some calls: of new texts, old ones again, and a forged one."""
        texts = self._site.providers.twilio.texts
        for text in texts[self._seen :]:
            self._seen += 1
            if self._dice.random() < REPORTED_SHARE:
                self._report(text)
        if self._answered and self._dice.random() < REPEATED_SHARE:
            self._repeat(self._dice.choice(self._answered))
        if self._answered and self._dice.random() < FORGED_SHARE:
            self._forge(self._dice.choice(self._answered))
        for _ in range(min(AT_ONCE, len(self._waiting))):
            self._make(self._waiting.pop(self._dice.randrange(len(self._waiting))))

    def answer(self, wish: Wish) -> None:
        """Has a person send STOP, or START where they had sent STOP."""
        if wish.is_open:
            return
        word = self._dice.choice(("START", "Unstop")) if wish.keeps else self._dice.choice(("STOP", "stop!"))
        number = next(person.number for person in self._people.all if person.name == wish.person)
        sid = f"SM{uuid4().hex}"
        receipt = Receipt(sid, "start" if wish.keeps else "stop", "")
        self._plan(Call(INBOUND, text_of(word, sid, From=number), receipt, wish, keeps=not wish.keeps))

    def finish(self) -> None:
        """Makes the calls that are left, until each is answered."""

        def is_finished() -> bool:
            while self._waiting:
                before = len(self._waiting)
                self._make(self._waiting.pop())
                if len(self._waiting) == before:
                    return False
            return True

        wait_until(is_finished, deadline=60, what="all callbacks are answered")

    def check(self) -> None:
        """AssertionError where one is missing, is there twice, or was never signed."""
        columns = "provider_message_id AS sid, type, notification_id AS id"
        rows = self._site.platform.sql(f"SELECT {columns} FROM notifications_receipt")
        stored = Counter(Receipt(row["sid"], row["type"], _hex(row["id"])) for row in rows)
        twice = {receipt for receipt, times in stored.items() if times > 1}
        assert not twice, f"receipts that are stored more than once: {twice}"
        assert not self.taken - set(stored), f"receipts that were taken and are not stored: {self.taken - set(stored)}"
        assert not set(stored) - self.taken, f"receipts that nobody has signed: {set(stored) - self.taken}"

    def _report(self, text: Text) -> None:
        id = UUID(parse_qs(urlsplit(text.callback).query)["n"][0])
        wish, fates = self._people.wish_of(text.receiver, "bounced"), [*OTHERS, SOFT_BOUNCED]
        if wish:
            fates = [BOUNCED] if not wish.is_open and self._dice.random() < BOUNCED_SHARE else [*OTHERS]
        fate = self._dice.choice(fates)
        form = status_of(fate.status, To=text.receiver, MessageSid=text.sid, SmsSid=text.sid, ErrorCode=fate.code)
        receipt = Receipt(text.sid, fate.type, id.hex) if fate.type else None
        self._plan(Call(text.callback, form, receipt, wish if fate is BOUNCED else None, keeps=True))

    def _plan(self, call: Call) -> None:
        if call.wish:
            call.wish.is_open = True
        self._waiting.append(call)

    def _make(self, call: Call) -> None:
        call.asked = call.asked or time.time()
        if not is_done(self._call(call, self._sign(call.url, call.form)), 204):
            self._waiting.append(call)
            return
        self._answered.append(call)
        if call.receipt:
            self.taken.add(call.receipt)
        if call.wish:
            call.wish.changes.append(Change(call.asked, time.time(), done=True, keeps=call.keeps))
            call.wish.is_open = False
        if self._dice.random() < REPEATED_SHARE:
            self._repeat(call)

    def _repeat(self, call: Call) -> None:
        """It changes nothing, whatever has been wished since."""
        self.repeated += is_done(self._call(call, self._sign(call.url, call.form)), 204)

    def _forge(self, call: Call) -> None:
        """With a good signature of something else, or none."""
        forged = Call(call.url, {**call.form, "MessageSid": f"SM{uuid4().hex}"})
        signature = self._dice.choice((self._sign(call.url, call.form), ""))
        self.forged += is_done(self._call(forged, signature), 403)

    def _call(self, call: Call, signature: str) -> Answer | None:
        place = urlsplit(call.url)
        path = f"{place.path}?{place.query}" if place.query else place.path
        headers = {"Content-Type": FORM, "X-Twilio-Signature": signature}
        return self._caller.ask("POST", path, urlencode(call.form).encode(), headers)


def _hex(id: object) -> str:
    return UUID(str(id)).hex if id else ""
