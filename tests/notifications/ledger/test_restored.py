"""After a restore: what was under way at the time of the backup, where a person decides about unknown outcomes."""

from __future__ import annotations

import pytest

from dlq.models import DeadLetter
from notifications.ledger import restored
from notifications.messages.words import Status
from notifications.models import Category
from project.operations import balance
from tests.notifications.rows import LETTERS, ago, read, row

pytestmark = pytest.mark.django_db


def test_what_may_have_been_sent_since_is_held_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restored, "AT_ONCE", 2)
    Category.objects.create(name="careful", on_uncertain="hold")
    careful = {"category": "careful"}
    under_way = [
        row(Status.ACCEPTED, due_at=ago(1), **careful),
        row(Status.QUEUED, **careful),
        row(Status.QUEUED, owner="scheduler", lease_until=ago(1), **careful),
        row(Status.SENDING, owner="sender", lease_until=ago(1), **careful),
        row(Status.WAITING, reason="retry", due_at=ago(1), **careful),
    ]
    replayed = row(Status.WAITING, reason="replay", due_at=ago(1), **careful)
    DeadLetter.objects.create(notification=replayed, state="replaying", cause="timeout")
    others = [
        row(Status.QUEUED),
        row(Status.WAITING, reason="retry", due_at=ago(-3600), **careful),
        row(Status.SENT, settled_at=ago(1), provider="x", **careful),
    ]
    assert restored.hold_unfinished(hooks=LETTERS) == 6
    assert {read(each.id).status for each in (*under_way, replayed)} == {Status.HELD}
    assert [read(each.id).status for each in others] == [each.status for each in others]
    assert DeadLetter.objects.filter(state="open", cause="outcome-unknown", uncertain=True).count() == 6
    assert restored.hold_unfinished(hooks=LETTERS) == 0
    assert balance.take().off == []
