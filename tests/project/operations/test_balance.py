"""What the log has and the ledger has not: removed by retention as far as it counted, and missing beyond."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest

from dlq.models import DeadLetter, Run
from notifications.brokers.base import LogRecord
from notifications.channels.outcomes import Cause
from notifications.ledger.cancel import cancel
from notifications.ledger.hooks import NO_HOOKS
from notifications.messages.words import Status
from notifications.models import Job, PrunedDay
from project.operations import balance, prune, retention
from tests.desk import letter
from tests.notifications.rows import ago, claim, id_of, message

pytestmark = pytest.mark.django_db

OLD = 95.0  # days
TOPIC = "notifications.email"


class Log:
    """A topic with records of these ids that are no notifications, all of them read; its broker, too."""

    def __init__(self, *ids: UUID | None) -> None:
        self.records = [
            LogRecord(TOPIC, 0, offset, f'{{"id": "{id}"}}'.encode() if id else b"{", "intake", committed=True)
            for offset, id in enumerate(ids)
        ]

    def log(self, _since: datetime | None) -> Log:
        return self

    def read(self) -> Iterator[list[LogRecord]]:
        yield self.records

    def unread_and_gone(self) -> list[str]:
        return []


def off(monkeypatch: pytest.MonkeyPatch, log: Log) -> list[tuple[str, str]]:
    monkeypatch.setattr(balance, "open_broker", lambda: log)
    return balance.take().off


def bury(log: Log, days: float = OLD) -> None:
    """Each record has a closed letter, which died so long ago."""
    for record in log.records:
        DeadLetter.objects.create(
            state=DeadLetter.State.DISCARDED, cause=Cause.UNDECODABLE, raw=record.value, topic=record.topic,
            partition=record.partition, offset=record.offset, died_at=ago(days * 86_400), changed_at=ago(days * 86_400),
        )  # fmt: skip


def test_unreadable_records_are_no_loss_before_and_after_their_letters_went(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(id_of(OLD), id_of(OLD + 3), None)
    assert len(off(monkeypatch, log)) == 3
    bury(log)
    assert off(monkeypatch, log) == []
    prune.delete_unreadable(retention.Bounds.now(), None)
    assert not DeadLetter.objects.exists()
    assert off(monkeypatch, log) == []


@pytest.mark.parametrize("missing", [OLD, OLD - 10], ids=["of that day", "younger than what was counted"])
def test_they_answer_for_no_more_than_were_counted(monkeypatch: pytest.MonkeyPatch, missing: float) -> None:
    buried = Log(id_of(OLD))
    bury(buried)
    prune.delete_unreadable(retention.Bounds.now(), None)
    lost = id_of(missing)
    found = off(monkeypatch, Log(id_of(OLD), lost))
    assert len(found) == 1
    assert found[0][0] in (str(lost), f"2 of {day_of(OLD)}")


def test_rows_that_were_removed_answer_first(monkeypatch: pytest.MonkeyPatch) -> None:
    PrunedDay.objects.create(day=day_of(OLD), rows={"sent": 1, balance.UNREADABLE: 1})
    assert off(monkeypatch, Log(id_of(OLD), None)) == []
    assert off(monkeypatch, Log(id_of(OLD), id_of(OLD))) == []
    assert [place for place, _ in off(monkeypatch, Log(id_of(OLD), id_of(OLD), None))] == [f"{TOPIC}[0]@2"]


def test_what_was_cancelled_and_never_accepted_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client can name any id. One whose record is to be read, and one that was read, were accepted."""
    made_up, unread, read_before = message(), message(), message()
    for one in (made_up, unread, read_before):
        cancel(one.id, client="shop", hooks=NO_HOOKS, may_be_in_kafka=True)
    claim(read_before)
    log = Log(unread.id, read_before.id)
    monkeypatch.setattr(balance, "open_broker", lambda: log)
    found = balance.take()
    assert found.off == []
    assert (found.statuses["cancelled"], found.accepted, len(found.unclaimed)) == (3, 2, 0)


def test_a_stub_that_retention_removed_answers_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cancel(id_of(OLD), client="shop", hooks=NO_HOOKS, may_be_in_kafka=True)
    prune.delete_rows(retention.Bounds.now(), None)
    assert PrunedDay.objects.get().rows == {balance.STUB: 1}
    lost = id_of(OLD)
    assert [id for id, _ in off(monkeypatch, Log(lost))] == [str(lost)]
    assert balance.take().accepted == 1


def day_of(days: float) -> date:
    return (datetime.now(UTC) - timedelta(days=days)).date()


def test_a_run_that_no_job_works_on_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run.objects.create(actor="anna", selection={}, last_letter=1)
    assert off(monkeypatch, Log()) == [(f"run {run.pk}", "is not over, and no job works on it")]
    Run.objects.update(job_id=Job.objects.create(kind="replay", actor="anna", state=Job.State.CANCELLED).pk)
    assert off(monkeypatch, Log()) == []


def test_a_letter_that_its_run_has_lost_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = letter(state="replaying")
    waiting = letter(status=Status.WAITING, due_at=ago(0))
    assert set(off(monkeypatch, Log())) == {
        (str(dead.notification_id), "has ended, and its dead letter is still being replayed"),
        (str(waiting.notification_id), "is on its way, and its dead letter is open"),
    }
