"""Retention: what goes after how many days, what never goes, and that the preview says the same."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from uuid import UUID

import pytest
from django.conf import settings as configured
from django.contrib.sessions.models import Session
from django.core.management import call_command
from pytest_django import Settings

from dlq.models import DeadLetter, DeadLetterEvent, Mending, Problem, ProblemHour, Run
from dlq.problems import assigning as problems
from notifications.channels.outcomes import Cause
from notifications.messages.words import Happened, Status, standing
from notifications.models import (
    BreakerEvent,
    IdempotencyKey,
    Job,
    Minute,
    Notification,
    PrunedDay,
    Receipt,
    SandboxMessage,
)
from notifications.scheduling import job_rows
from notifications.scheduling.jobs import Runner
from project.operations import balance, prune, retention
from project.operations.kinds import PRUNE, kinds
from project.operations.prune import Prune
from tests.notifications.rows import ago, id_of, read
from tests.project.operations.past import State, hanging, past

pytestmark = pytest.mark.django_db

WHOLE = {"row": 1, "attempts": 1, "keys": 1}
DAY = 86_400.0


def run() -> Job:
    """Runs a prune job to its end. Returns it."""
    job = job_rows.create(PRUNE, "ann")
    runner = Runner(kinds(), only=job.pk)
    while runner.turn():
        pass
    job.refresh_from_db()
    assert job.state == Job.State.DONE, (job.state, job.error)
    return job


def has_texts(one: Notification) -> bool:
    found = read(one.id)
    kept = {bool(text) for text in (found.message, found.html, found.subject, found.receiver)}
    assert len(kept) == 1, "some texts are kept and others are not"
    return kept.pop()


class TestRows:
    def test_what_has_ended_goes_with_all_that_hangs_on_it(self) -> None:
        gone = [past(95), past(95, Status.EXPIRED), past(95, Status.DEAD, letter=State.DISCARDED)]
        gone.append(past(95, Status.SENT, letter=State.RESOLVED))
        young = past(80)
        job = run()
        assert [hanging(one) for one in gone] == [{}] * 4
        assert hanging(young) == WHOLE
        assert job.counts["notifications"] == 4
        assert job.counts["dead letters"] == 2

    def test_nothing_unfinished_and_no_open_letter_ever_goes(self) -> None:
        unfinished = [past(400, status) for status in (Status.WAITING, Status.QUEUED, Status.ACCEPTED)]
        unfinished.append(past(400, Status.SENDING, lease_until=datetime.now(UTC)))
        stopped = [
            past(400, Status.DEAD, letter=State.OPEN),
            past(400, Status.HELD, letter=State.OPEN),
            past(400, Status.WAITING, letter=State.REPLAYING),
            past(400, Status.EXPIRED, letter=State.REPLAYING),
        ]
        run()
        assert [hanging(one) for one in unfinished] == [WHOLE] * 4
        assert [hanging(one) for one in stopped] == [WHOLE | {"letters": 1}] * 4
        assert all(has_texts(one) for one in (*unfinished, *stopped))

    def test_the_numbers_of_each_day_are_kept_for_the_balance(self) -> None:
        past(95), past(95, Status.DEAD, letter=State.DISCARDED), past(97)
        run()
        past(97)
        run()
        kept = {
            (datetime.now(UTC).date() - pruned.day).days: pruned.rows for pruned in PrunedDay.objects.exclude(rows={})
        }
        assert kept == {95: {"sent": 1, "dead": 1}, 97: {"sent": 2}}

    def test_many_go_in_small_steps_past_what_stays(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(prune, "BATCH", 2)
        gone = [past(95 + number / 100) for number in range(5)]
        stays = [past(95 + number / 90, Status.DEAD, letter=State.OPEN) for number in range(3)]
        late = [past(40 + number / 100) for number in range(5)]
        job = run()
        assert [hanging(one) for one in gone] == [{}] * 5
        assert all(hanging(one) for one in stays)
        assert not any(has_texts(one) for one in late)
        assert job.done == job.total

    def test_zero_days_keep_everything(self, settings: Settings) -> None:
        settings.RETENTION_DAYS = settings.RETENTION_TEXT_DAYS = 0
        old = past(4000)
        job = run()
        assert hanging(old) == WHOLE
        assert has_texts(old)
        assert (job.done, job.total) == (0, 0)

    def test_a_key_without_a_notification_goes_after_the_same_time(self) -> None:
        for days in (95, 80):
            IdempotencyKey.objects.create(client="shop", key=str(days), notification_id=id_of(days), body_hash="hash")
        run()
        assert IdempotencyKey.objects.get().key == "80"


class TestTexts:
    def test_they_go_before_their_rows(self) -> None:
        old, young = past(40), past(20)
        job = run()
        assert not has_texts(old)
        assert has_texts(young)
        assert hanging(old) == WHOLE
        assert read(old.id).receiver_hash == old.receiver_hash
        assert read(old.id).texts_removed and not read(young.id).texts_removed
        assert SandboxMessage.objects.get().notification_id == young.id
        assert job.counts["texts"] == 1

    def test_a_letter_keeps_them_until_it_is_closed(self) -> None:
        dead = past(40, Status.DEAD, letter=State.OPEN)
        run()
        assert has_texts(dead)
        assert PrunedDay.objects.get().texts_removed
        DeadLetter.objects.update(state=State.DISCARDED)
        run()
        assert not has_texts(dead)

    def test_an_unfinished_notification_keeps_its_own_and_only_its_own(self) -> None:
        other, waiting = past(40), past(40, Status.WAITING)
        run()
        assert (has_texts(other), has_texts(waiting)) == (False, True)
        Notification.objects.filter(id=waiting.id).update(**standing(Status.SENT), due_at=None)
        run()
        assert not has_texts(waiting)

    def test_a_day_that_is_through_is_not_looked_at_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        past(40), past(38)
        run()
        through = PrunedDay.objects.filter(texts_removed=True).count()
        assert through == 2
        monkeypatch.setattr(retention, "with_texts", lambda _: pytest.fail("looked for texts"))
        assert prune.empty_texts(retention.Bounds.now(), None).after is None

    def test_the_bytes_of_unreadable_records_go_with_the_texts(self) -> None:
        def unreadable(days: float, state: str) -> DeadLetter:
            moment = ago(days * DAY)
            return DeadLetter.objects.create(
                state=state, cause=Cause.UNDECODABLE, raw=b"{", topic="t", partition=0, offset=days, changed_at=moment,
                died_at=moment,
            )  # fmt: skip

        kept, emptied, _gone = (
            unreadable(95, State.OPEN),
            unreadable(40, State.DISCARDED),
            unreadable(96, State.RESOLVED),
        )
        run()
        left = {letter.pk: letter.raw and bytes(letter.raw) for letter in DeadLetter.objects.all()}
        assert left == {kept.pk: b"{", emptied.pk: None}
        assert PrunedDay.objects.get().rows == {balance.UNREADABLE: 1}


def _correction(key: str, moment: datetime, job: Job) -> None:
    Mending.objects.create(
        key=key[:32],
        actor="ann",
        reason="",
        selection={},
        correction={},
        last_letter=1,
        job_id=job.pk,
        created_at=moment,
    )


class TestSmallTables:
    def test_what_is_old_goes(self, settings: Settings) -> None:
        settings.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:1"
        for days in (95, 80):
            moment = ago(days * DAY)
            BreakerEvent.objects.create(worker="w", channel="EMAIL", provider="p", state="open", at=moment)
            Minute.objects.create(minute=moment, channel="EMAIL", happened=Happened.SENT, count=3)
            Receipt.objects.create(key=f"{days}", channel="EMAIL", type="stop", at=moment, received_at=moment)
            DeadLetterEvent.objects.create(event="dead", at=moment, published_at=moment)
            Job.objects.create(kind="x", actor="ann", state=Job.State.DONE, ended_at=moment)
            Run.objects.create(actor="ann", selection={}, last_letter=1, state=Run.State.DONE, ended_at=moment)
            job = Job.objects.create(kind="mend", actor="ann", state=Job.State.CANCELLED, ended_at=moment)
            _correction(f"old {moment}", moment, job)
        cancelled = Job.objects.create(kind="replay", actor="a", state=Job.State.CANCELLED, ended_at=ago(95 * DAY))
        Run.objects.create(
            actor="kept", selection={}, last_letter=1, created_at=ago(95 * DAY), job_id=cancelled.pk
        )  # it can be resumed and stopped, by this job alone
        _correction("paused", ago(95 * DAY), Job.objects.create(kind="mend", actor="ann", state=Job.State.PAUSED))
        DeadLetterEvent.objects.create(event="untold", at=ago(95 * DAY))
        Job.objects.create(kind="failed", actor="ann", state=Job.State.FAILED, ended_at=ago(95 * DAY))
        run()
        assert (BreakerEvent.objects.count(), Minute.objects.count(), Receipt.objects.count()) == (1, 1, 1)
        assert Mending.objects.count() == 2
        assert Counter(Run.objects.values_list("actor", flat=True)) == {"ann": 1, "kept": 1}
        assert Counter(DeadLetterEvent.objects.values_list("event", flat=True)) == {"dead": 1, "untold": 1}
        assert Counter(Job.objects.exclude(kind=PRUNE).values_list("kind", flat=True)) == {
            "x": 1,
            "failed": 1,
            "mend": 2,
            "replay": 1,
        }

    def test_sessions_that_are_over_go_whatever_is_kept(self, settings: Settings) -> None:
        settings.RETENTION_DAYS = settings.RETENTION_TEXT_DAYS = 0
        for key, days in (("over", 1), ("lasts", -1)):
            Session.objects.create(session_key=key, session_data="", expire_date=ago(days * DAY))
        assert run().counts["sessions"] == 1
        assert Session.objects.get().session_key == "lasts"


def everything() -> None:
    """Something of all there is, old and young."""
    for days in (95, 95, 96, 40, 20):
        past(days)
        past(days, Status.DEAD, letter=State.DISCARDED)
        past(days, Status.DEAD, letter=State.OPEN)
        past(days, Status.WAITING)
        BreakerEvent.objects.create(worker="w", channel="EMAIL", provider="p", state="open", at=ago(days * DAY))
        Session.objects.create(session_key=f"{days} {Session.objects.count()}", expire_date=ago(days * DAY))
        moment = {"at": ago(days * DAY), "received_at": ago(days * DAY)}
        Receipt.objects.create(key=id_of(days).hex, channel="SMS", type="delivered", **moment)
        Minute.objects.get_or_create(minute=ago(days * DAY), channel="EMAIL", happened=Happened.SENT)
        DeadLetterEvent.objects.create(event="dead", at=ago(days * DAY))
        IdempotencyKey.objects.create(client="main", key=id_of(0).hex, notification_id=id_of(days), body_hash="h")


class TestPreview:
    def test_it_says_what_a_job_then_does(self) -> None:
        everything()
        counted: Counter[str] = Counter()
        for what, _day, count in retention.preview(retention.Bounds.now()):
            counted[what] += count
        assert Prune().total(Job()) == counted.total()
        job = run()
        assert {what: count for what, count in job.counts.items() if count} == dict(counted)
        assert job.done == job.total
        assert not list(retention.preview(retention.Bounds.now()))

    def test_a_job_does_not_count_for_longer_than_its_lease(self, settings: Settings) -> None:
        everything()
        settings.LEASE_SECONDS = 0
        assert Prune().total(Job()) is None

    def test_the_command_says_it_by_table_and_day(self) -> None:
        past(95), past(95), past(40)
        out = StringIO()
        call_command("prune", "--dry-run", stdout=out)
        day = (datetime.now(UTC) - timedelta(days=95)).date()
        assert f"notifications: 2\n  {day}            2\n" in out.getvalue()
        assert "texts: 1\n" in out.getvalue()
        assert Notification.objects.count() == 3
        assert not Job.objects.exists()


class TestCommand:
    def prune(self) -> tuple[int, str]:
        out = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("prune", stdout=out)
        assert isinstance(ended.value.code, int)
        return ended.value.code, out.getvalue()

    def test_it_does_the_job_in_the_foreground(self) -> None:
        past(95)
        code, output = self.prune()
        job = Job.objects.get()
        assert (code, job.state, job.actor) == (0, Job.State.DONE, "manage.py")
        assert "notifications: 1\n" in output
        assert f"Job {job.pk} is done." in output
        assert not Notification.objects.exists()

    def test_it_follows_the_job_that_is_there(self) -> None:
        job = job_rows.create(PRUNE, "scheduler")
        code, output = self.prune()
        assert (code, Job.objects.get().pk) == (0, job.pk)
        assert "this follows it" in output

    def test_a_paused_job_is_left_alone_and_said(self) -> None:
        job = job_rows.create(PRUNE, "scheduler")
        job_rows.change("pause", [job.pk], "ann")
        code, output = self.prune()
        assert (code, Job.objects.get().state) == (1, Job.State.PAUSED)
        assert f"Job {job.pk} is paused." in output


def test_an_id_of_after_the_last_year_stops_no_prune() -> None:
    one, id = past(95), UUID("f0000000-0000-7000-8000-000000000000")
    IdempotencyKey.objects.create(client="shop", key="later", notification_id=id, body_hash="hash")
    run()
    assert hanging(one) == {}
    assert IdempotencyKey.objects.get().notification_id == id


def test_a_schedulers_kinds_begin_a_prune_each_day() -> None:
    Runner(kinds()).begin_periodic()
    assert Job.objects.get().kind == PRUNE
    assert (configured.RETENTION_DAYS, configured.RETENTION_TEXT_DAYS) == (90, 30)


class TestProblems:
    def test_old_hours_go_and_problems_once_no_letter_belongs_to_them(self) -> None:
        closed, kept = past(95, Status.DEAD, letter=State.DISCARDED), past(95, Status.DEAD, letter=State.OPEN)
        DeadLetter.objects.filter(notification=closed).update(error="550 closed", died_at=ago(95 * DAY))
        DeadLetter.objects.filter(notification=kept).update(error="551 kept", died_at=ago(95 * DAY))
        assert problems.assign_all() == 2
        young = Problem.objects.get(letters__notification=kept)
        ProblemHour.objects.create(problem=young, hour=problems.hour_of(ago(80 * DAY)), deaths=1)
        for _ in range(2):
            previewed = Counter[str]()
            for what, _, count in retention.preview(retention.Bounds.now()):
                previewed[what] += count
            counts = run().counts
            for what in ("problems", "hours of problems"):
                assert counts.get(what, 0) == previewed[what], what
        assert list(Problem.objects.all()) == [young]
        assert ProblemHour.objects.get().problem == young
