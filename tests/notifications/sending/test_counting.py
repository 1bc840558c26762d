"""What a sender adds to the minutes: each result once, with its provider and cause."""

from __future__ import annotations

import pytest
from django.db.models import Sum

from harness.services.waiting import wait_until
from notifications.channels.base import Outgoing
from notifications.channels.outcomes import Cause, SendError
from notifications.ledger.minutes import minutes
from notifications.messages.words import Status
from notifications.models import Minute
from tests.notifications.rows import Scripted, ago, row
from tests.notifications.running import Run, settled

pytestmark = pytest.mark.django_db(transaction=True)


def counted() -> dict[tuple[str, str, str, str], int]:
    """What the minutes of this process have, once they are written."""
    minutes.write()
    rows = Minute.objects.values_list("channel", "provider", "happened", "cause").annotate(count=Sum("count"))
    return {(channel, provider, happened, cause): count for channel, provider, happened, cause, count in rows}


def test_what_was_settled_is_counted(run: Run) -> None:
    errors = {
        "failed": SendError(Cause.PROVIDER_ERROR, "500"),
        "dead": SendError(Cause.UNKNOWN_RECEIVER, "550", permanent=True),
    }

    def answer(outgoing: Outgoing) -> str:
        if error := errors.get(outgoing.message):
            raise error
        return "provider-id"

    failed, dead, sent = (row(message=text) for text in ("failed", "dead", "sent"))
    expired = row(expires_at=ago(10))
    run(Scripted(answer))
    settled(Status.WAITING, failed)
    settled(Status.DEAD, dead)
    settled(Status.SENT, sent)
    settled(Status.EXPIRED, expired)
    wait_until(lambda: len(counted()) == 4, what="all is counted, after its commit")
    assert counted() == {
        ("EMAIL", "scripted", "failed", "provider-error"): 1,
        ("EMAIL", "scripted", "dead", "unknown-receiver"): 1,
        ("EMAIL", "scripted", "sent", ""): 1,
        ("EMAIL", "", "expired", ""): 1,
    }
