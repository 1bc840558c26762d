"""What is read again after a restore: held where its category says so, unless it was certainly never read before."""

from __future__ import annotations

import pytest

from dlq.models import DeadLetter
from notifications.ledger.claim import claim as claim_rows
from notifications.messages.words import Status
from notifications.models import Category, Rewound
from notifications.sending.gates import Gates
from notifications.sending.gates import Rewound as Gate
from tests.notifications.rows import LEASE, LETTERS, ids, incoming, message, read

pytestmark = pytest.mark.django_db


def test_what_had_been_read_before_may_have_been_sent() -> None:
    Category.objects.create(name="careful", on_uncertain="hold")
    Rewound.objects.create(topic="notifications.email", partition=1, before=10)
    careful = [message(category="careful") for _ in range(3)]
    records = [
        incoming(careful[0], offset=9),
        incoming(careful[1], offset=10),
        incoming(careful[2], partition=2, offset=9),
        incoming(message(), offset=8),
    ]
    rows = claim_rows(records, owner="batch", lease=LEASE, hooks=LETTERS)
    assert ids(Gates("EMAIL", [Gate()], LETTERS).let_through(rows)) == ids(rows)[1:]
    found = read(careful[0].id)
    assert (found.status, found.uncertain_count) == (Status.HELD, 1)
    assert DeadLetter.objects.get().notification_id == careful[0].id
