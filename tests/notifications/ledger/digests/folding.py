"""What the tests of digests share: rows that are claimed and folded, and a scheduler that looks at digests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

from notifications.ledger import due, verdicts
from notifications.ledger.cancel import cancel
from notifications.ledger.claim import claim as claim_rows
from notifications.ledger.digests.looking import look_at_digests
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, settle
from notifications.ledger.verdicts import Verdict
from notifications.messages.message import Message
from notifications.messages.words import DigestState, Reason, Status
from notifications.models import Category, Digest, Notification
from notifications.sending.deciding import Deciding
from notifications.sending.gates import Gates
from tests.notifications.rows import LETTERS, ago, incoming, message
from users.recipients.known import Known

WAITS = {(Status.WAITING, Reason.DIGEST)}


def digested(name: str = "news", **values: Any) -> Category:
    """A category that is digested."""
    return Category.objects.create(name=name, **({"digest_seconds": 600} | values))


def claim(submitted: Sequence[Message]) -> list[Claimed]:
    """Claims as a sender does. Returns the rows that the gate lets go."""
    known = Known()
    known.refresh()
    gates = Gates("EMAIL", [Deciding("EMAIL", known)], LETTERS)
    batch = [incoming(one) for one in submitted]
    return claim_rows(batch, owner=uuid4().hex, lease=60, hooks=LETTERS, gate=gates.let_through)


def news(count: int, **fields: Any) -> list[Message]:
    """New notifications of the category, in the order accepted, each with its number as text."""
    return [message(category="news", message=f"number {number}", **fields) for number in range(count)]


def folded(count: int, **fields: Any) -> list[UUID]:
    """Notifications that were folded. Returns their ids."""
    submitted = news(count, **fields)
    assert claim(submitted) == []
    return [one.id for one in submitted]


def cancelled(id: UUID) -> Status | None:
    """Its client cancels it. Returns where it stands."""
    return cancel(id, client="shop", hooks=LETTERS, may_be_in_kafka=False)


def come_due(*states: DigestState) -> None:
    """It is time to look at the digests of these states: at all."""
    Digest.objects.filter(state__in=states or DigestState).update(look_at=ago(1))


def look() -> None:
    """A scheduler looks at digests until there is nothing left to do."""
    while look_at_digests(LETTERS):
        pass


def close() -> None:
    """The time of all digests that are open has come, and a scheduler looks."""
    come_due(DigestState.OPEN)
    look()


def taken() -> list[Claimed]:
    """Publishes what is due and claims it. Returns what a sender may send."""
    found = [one.message for one in due.take_due("scheduler", 1000)]
    return claim(found) if found else []


def settled(rows: Sequence[Claimed], verdict: Verdict | None = None) -> None:
    """The rows end like this, sent without a verdict, and a scheduler looks at their digests."""
    results = [Settlement(row, verdict or verdicts.sent("x"), "EMAIL", "smtp") for row in rows]
    assert len(settle(results, hooks=LETTERS)) == len(rows)
    come_due(DigestState.CLOSED)
    look()


def standing(ids: Sequence[UUID]) -> set[tuple[str, str]]:
    """The statuses and reasons of these rows."""
    return set(Notification.objects.filter(id__in=ids).values_list("status", "reason"))
