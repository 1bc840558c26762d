"""Rows of the ledger with their attempts and dead letters, as senders and scheduler would have left them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast
from uuid import UUID

from dlq.models import DeadLetter
from notifications.channels.outcomes import Cause, Outcome
from notifications.messages.ids import first_id_at, receiver_hash
from notifications.messages.words import Reason, Status, standing
from notifications.models import Attempt, Notification
from project.demo.people import Somebody
from project.demo.texts import Kind

PAUSES = (1, 5, 30, 120, 600)  # seconds between the attempts, as by default
PROVIDERS = {"EMAIL": "smtp", "SMS": "twilio", "SLACK": "slack"}
RANDOM_BITS = 62


@dataclass(frozen=True, slots=True)
class Failure:
    """What a provider answered, and how an attempt ended by it."""

    cause: Cause
    error: str
    outcome: Outcome = Outcome.PERMANENT
    milliseconds: int = 180


@dataclass(slots=True)
class Rows:
    """What is to be inserted."""

    random: Random
    notifications: list[Notification] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)

    def sent(self, kind: Kind, to: Somebody, at: datetime, *, later: timedelta = timedelta()) -> Notification:
        """Adds one that was sent, `later` than it was accepted."""
        settled = at + later + timedelta(milliseconds=self.random.randint(40, 900))
        return self._add(kind, to, at, Status.SENT, settled_at=settled, provider_message_id=self._number())

    def died(
        self, kind: Kind, to: Somebody, at: datetime, failure: Failure, *, receiver: str = "", state: str = "open"
    ) -> DeadLetter:
        """Adds one that died: at once where it was refused for good, else after all attempts."""
        row = self._add(kind, to, at, Status.DEAD, receiver=receiver)
        died_at = self._failed(row, at, failure)
        return self._letter(row, failure, died_at, state)

    def held(self, kind: Kind, to: Somebody, at: datetime, failure: Failure) -> DeadLetter:
        """Adds one of which nobody knows whether it arrived."""
        row = self._add(kind, to, at, Status.HELD, uncertain_count=1)
        return self._letter(row, failure, self._failed(row, at, failure, tries=1), "open")

    def expired(self, kind: Kind, to: Somebody, at: datetime, failure: Failure) -> None:
        """Adds one that ran out before the provider took it."""
        row = self._add(kind, to, at, Status.EXPIRED)
        self._failed(row, at, failure, tries=3)
        row.settled_at = row.expires_at

    def waiting(self, kind: Kind, to: Somebody, at: datetime, failure: Failure, due_at: datetime) -> None:
        """Adds one that will be tried again."""
        row = self._add(kind, to, at, Status.WAITING, reason=Reason.RETRY, due_at=due_at)
        self._failed(row, at, failure, tries=2)
        row.settled_at = None

    def replayed(self, letter: DeadLetter, at: datetime) -> None:
        """Turns one that died into one that was replayed and sent."""
        row = cast("Notification", letter.notification)
        row.generation, row.claims, row.attempts, row.settled_at = 1, row.claims + 1, 0, at
        row.provider_message_id = self._number()
        for name, word in standing(Status.SENT).items():
            setattr(row, name, word)
        letter.state, letter.changed_at = DeadLetter.State.RESOLVED, at

    def _add(self, kind: Kind, to: Somebody, at: datetime, status: Status, **also: Any) -> Notification:
        number = str(self.random.randint(100_000, 999_999))
        receiver = also.pop("receiver", "") or to.address(kind.channel)
        row = Notification(
            id=UUID(int=first_id_at(at).int | 7 << 76 | 2 << 62 | self.random.getrandbits(RANDOM_BITS)),
            client=kind.client,
            reference=f"{kind.category}-{number}",
            channel=kind.channel,
            receiver=receiver,
            receiver_hash=receiver_hash(kind.channel, receiver),
            subject=kind.subject.format(number=number),
            message=kind.message.format(number=number),
            user=to.username,
            category=kind.category,
            priority="bulk" if kind.bulk else "transactional",
            expires_at=at + timedelta(minutes=kind.minutes) if kind.minutes else None,
            provider=PROVIDERS[kind.channel],
            claims=1,
            accepted_at=at,
            **standing(status),
            **also,
        )
        self.notifications.append(row)
        return row

    def _failed(self, row: Notification, at: datetime, failure: Failure, *, tries: int = 0) -> datetime:
        """Adds the attempts of a row that failed. Returns the time of the last."""
        tries = tries or (1 if failure.outcome == Outcome.PERMANENT else len(PAUSES) + 1)
        for number in range(1, tries + 1):
            at += timedelta(seconds=PAUSES[number - 2] if number > 1 else 0.2, milliseconds=failure.milliseconds)
            self.attempts.append(
                Attempt(
                    notification=row,
                    generation=0,
                    number=number,
                    at=at,
                    outcome=failure.outcome,
                    cause=failure.cause,
                    error=failure.error,
                    milliseconds=failure.milliseconds,
                )
            )
        row.claims = row.attempts = tries
        row.last_cause, row.last_error, row.settled_at = failure.cause, failure.error, at
        return at

    def _letter(self, row: Notification, failure: Failure, died_at: datetime, state: str) -> DeadLetter:
        letter = DeadLetter(
            notification=row,
            state=state,
            channel=row.channel,
            cause=failure.cause,
            error=failure.error,
            attempts=row.attempts,
            provider=row.provider,
            client=row.client,
            category=row.category,
            user=row.user,
            receiver_hash=row.receiver_hash,
            expires_at=row.expires_at,
            uncertain=row.uncertain_count > 0,
            died_at=died_at,
            changed_at=died_at,
        )
        self.letters.append(letter)
        return letter

    def _number(self) -> str:
        return f"{self.random.getrandbits(64):016X}"
