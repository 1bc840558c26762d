"""What happened in the demo's week: ordinary traffic, three outages, and what else goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from dlq.models import DeadLetter
from notifications.channels.outcomes import Cause, Outcome
from notifications.messages.words import BreakerState
from notifications.models import BreakerEvent
from project.demo import texts
from project.demo.people import MISTYPED, Somebody
from project.demo.rows import PROVIDERS, Failure, Rows
from project.demo.texts import KINDS

DAYS = 7
A_DAY = 900  # notifications of an ordinary day
# How busy each hour of a day is.
HOURS = (1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 8, 8, 9, 8, 8, 7, 7, 8, 9, 8, 6, 4, 3, 2)
WORKER = "demo:1:sender"

MAIL_OUTAGE = Failure(Cause.PROVIDER_OUTAGE, "421 4.3.2 Service not available, closing channel", Outcome.TRANSIENT)
TWILIO_REFUSED = Failure(Cause.CREDENTIALS, "20003: Authenticate", Outcome.TRANSIENT, 90)
CHANNEL_GONE = Failure(Cause.UNKNOWN_RECEIVER, "404: channel_is_archived", milliseconds=120)
NOBODY = Failure(Cause.UNKNOWN_RECEIVER, "550 5.1.1 The email account that you tried to reach does not exist.")
FULL = Failure(Cause.MAILBOX_FULL, "452 4.2.2 The email account that you tried to reach is over quota.")
STOPPED = Failure(Cause.OPTED_OUT, "21610: Attempt to send to unsubscribed recipient")
LOST = Failure(Cause.OUTCOME_UNKNOWN, "The connection was closed after the message had been sent.", Outcome.UNCERTAIN)
SLOW = Failure(Cause.TIMEOUT, "no answer within 10 s", Outcome.TRANSIENT, 10_000)


class Week:
    """The week that ends `now`. It fills `rows`, and keeps what the desk is to know of the scenes."""

    def __init__(self, random: Random, people: list[Somebody], now: datetime) -> None:
        self.rows = Rows(random)
        self.breakers: list[BreakerEvent] = []
        self.outage: list[DeadLetter] = []  # all of it was replayed by a run
        self.archived: list[DeadLetter] = []  # the known problem
        self._random, self._people, self._now = random, people, now

    def happen(self) -> None:
        self._ordinary()
        self._mail_outage()
        self._refused_credentials()
        self._archived_channel()
        self._mistyped()
        self._spam()
        self._few()

    def _ordinary(self) -> None:
        kinds, weights = KINDS, [kind.weight for kind in KINDS]
        for at in self._moments():
            kind, to = self._random.choices(kinds, weights)[0], self._somebody()
            self.rows.sent(kind, to, at)
        for days in (1, 2, 4, 6):
            self.rows.sent(self._random.choice(KINDS), self._people[0], self._ago(days=days, minutes=20))

    def _moments(self) -> Iterator[datetime]:
        for hours in range(DAYS * 24):
            begin = self._now - timedelta(hours=hours + 1)
            for _ in range(A_DAY * HOURS[begin.hour] // sum(HOURS)):
                yield begin + timedelta(seconds=self._random.uniform(0, 3_590))

    def _mail_outage(self) -> None:
        """The mail server was away for two hours. What gave up was replayed the next morning."""
        begin = self._ago(days=3, hours=5)
        self._breaker("EMAIL", begin, timedelta(hours=2), MAIL_OUTAGE.cause)
        for place in range(240):
            kind = texts.PASSWORD if place % 6 == 0 else self._random.choice((texts.INVOICE, texts.REPLY))
            letter = self.rows.died(kind, self._somebody(), begin + timedelta(seconds=place * 20), MAIL_OUTAGE)
            if kind is not texts.PASSWORD:  # their links had expired: the run left them out
                self.rows.replayed(letter, begin + timedelta(hours=9, seconds=place // 8))
            self.outage.append(letter)

    def _refused_credentials(self) -> None:
        """Twilio refused our token for forty minutes. Nothing died: it waited, and went out later."""
        begin = self._ago(days=2, hours=3)
        self._breaker("SMS", begin, timedelta(minutes=40), TWILIO_REFUSED.cause)
        for place in range(60):
            at = begin + timedelta(seconds=place * 35)
            self.rows.sent(texts.PARCEL, self._somebody(), at, later=timedelta(minutes=40) - (at - begin))
        for place in range(12):
            self.rows.expired(texts.CODE, self._somebody(), begin + timedelta(minutes=place), TWILIO_REFUSED)

    def _archived_channel(self) -> None:
        """A Slack channel was archived, and the CI server still writes to it."""
        begin, team = self._ago(days=4), Somebody("", "", "", "", "C04ARCHIVED")
        for place in range(64):
            at = begin + timedelta(minutes=place * 80)
            self.archived.append(self.rows.died(texts.BUILD, team, at, CHANNEL_GONE))

    def _mistyped(self) -> None:
        for place, to in enumerate(self._people[20:52]):
            receiver = f"{to.email.partition('@')[0]}@{MISTYPED[place % len(MISTYPED)]}"
            at = self._ago(hours=4 * place + 2)
            self.rows.died(self._random.choice((texts.INVOICE, texts.REPLY)), to, at, NOBODY, receiver=receiver)

    def _spam(self) -> None:
        """A filter dislikes the newsletter, more every hour."""
        for hours, count in enumerate((46, 21, 12, 8, 5, 4)):
            for _ in range(count):
                rule = f"554 5.7.1 Message refused by rule URI_TRACK_{self._random.randint(1, 9)}"
                at = self._ago(minutes=self._random.uniform(60 * hours + 2, 60 * hours + 58))
                self.rows.died(texts.NEWS, self._somebody(), at, Failure(Cause.REJECTED_CONTENT, rule))

    def _few(self) -> None:
        """What happens every week, to a few."""
        anna = self._people[0]
        self.rows.died(texts.PASSWORD, anna, self._ago(hours=6), FULL)
        for place in range(7):
            self.rows.died(texts.INVOICE, self._somebody(), self._ago(hours=11 * place + 3), FULL)
            self.rows.died(texts.PARCEL, self._somebody(), self._ago(hours=13 * place + 5), STOPPED)
        for place in range(3):
            self.rows.held(texts.PAYMENT, self._people[60 + place], self._ago(hours=2 + place), LOST)
        for place in range(5):
            due_at = self._now + timedelta(minutes=30 + 7 * place)
            self.rows.waiting(texts.INVOICE, self._people[70 + place], self._ago(minutes=3 + place), SLOW, due_at)

    def _breaker(self, channel: str, begin: datetime, lasted: timedelta, cause: Cause) -> None:
        about = {"worker": WORKER, "channel": channel, "provider": PROVIDERS[channel]}
        self.breakers += [
            BreakerEvent(**about, state=BreakerState.OPEN, cause=cause, at=begin + timedelta(seconds=20)),
            BreakerEvent(**about, state=BreakerState.CLOSED, at=begin + lasted),
        ]

    def _somebody(self) -> Somebody:
        return self._random.choice(self._people[1:])

    def _ago(self, **since: float) -> datetime:
        return self._now - timedelta(**since)
