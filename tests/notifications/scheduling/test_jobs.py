"""Long work: steps that move the cursor with what they did, one runner at a time, and what a person may do to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from harness.services.waiting import wait_until
from notifications.brokers.ledger_queue import EmbeddedBroker
from notifications.ledger.hooks import NO_HOOKS
from notifications.models import Category, Job, StaffAction
from notifications.scheduling import job_rows
from notifications.scheduling.job_rows import LeaseLost, State, Step
from notifications.scheduling.jobs import Runner
from notifications.scheduling.scheduler import Scheduler
from project import metrics
from tests.notifications.rows import ago, in_threads

PAUSES = (5.0, 30.0)


class Naming:
    """Makes as many categories as the job's parameters say, two a step; fails while `trouble` has errors left."""

    every: timedelta | None = None

    def __init__(self, *trouble: Exception) -> None:
        self.trouble = list(trouble)

    def total(self, job: Job) -> int | None:
        return int(job.parameters["names"])

    def step(self, job: Job, cursor: Any) -> Step:
        first = cursor or 0
        last = min(first + 2, job.parameters["names"])
        for number in range(first, last):
            Category.objects.create(name=f"name {number}")  # a second one of a name is an error
        if self.trouble:
            raise self.trouble.pop(0)
        return Step(last if last < job.parameters["names"] else None, {"names": last - first})


def job(names: int = 5, **options: Any) -> Job:
    return job_rows.create("naming", "ann", parameters={"names": names}, **options)


def runner(kind: Naming | None = None) -> Runner:
    return Runner({"naming": kind or Naming()}, pauses=PAUSES)


def read(one: Job) -> Job:
    return Job.objects.get(pk=one.pk)


def made() -> int:
    return Category.objects.filter(name__startswith="name ").count()


def make_due(one: Job) -> None:
    Job.objects.filter(pk=one.pk).update(due_at=ago(1))


@pytest.mark.django_db
class TestSteps:
    def test_a_job_goes_on_step_by_step_to_its_end(self) -> None:
        one, worker = job(5), runner()
        assert worker.turn()
        begun = read(one)
        assert (begun.state, begun.cursor, begun.done, begun.total, begun.owner) == (State.RUNNING, 2, 2, 5, None)
        assert begun.started_at and not begun.ended_at
        assert worker.turn() and worker.turn() and not worker.turn()
        ended = read(one)
        assert (ended.state, ended.cursor, ended.done, ended.counts) == (State.DONE, None, 5, {"names": 5})
        assert ended.ended_at and made() == 5

    def test_a_job_that_is_longer_counted_than_its_lease_lasts_is_counted_once(self) -> None:
        class Slow(Naming):
            counted = 0

            def total(self, job: Job) -> int | None:
                self.counted += 1
                assert self.counted == 1, "it goes from runner to runner"
                Job.objects.filter(pk=job.pk).update(lease_until=ago(1))
                assert runner(self).turn()
                return super().total(job)

        one, kind = job(5), Slow()
        worker = runner(kind)
        assert worker.turn()
        assert (kind.counted, read(one).done, read(one).total) == (1, 2, None)
        assert worker.turn()
        assert (kind.counted, read(one).done) == (1, 4)

    def test_another_kind_is_nobodys_here(self) -> None:
        job_rows.create("unknown", "ann")
        assert not runner().turn()

    def test_jobs_take_turns(self) -> None:
        first, second, worker = job(3), job_rows.create("naming", "ann", parameters={"names": 0}), runner()
        worker.turn()
        worker.turn()
        assert (read(first).done, read(second).state) == (2, State.DONE)

    def test_a_rate_puts_off_the_next_step(self) -> None:
        one, worker = job(5, rate=0.1), runner()
        assert worker.turn() and not worker.turn()
        assert read(one).due_at > ago(-15)  # two items at one in ten seconds
        make_due(one)
        assert worker.turn()


@pytest.mark.django_db
class TestFailures:
    def test_a_failed_step_is_undone_tried_again_and_at_last_given_up(self) -> None:
        one, worker = job(5), runner(Naming(*(RuntimeError("no luck") for _ in range(3))))
        assert worker.turn() and not worker.turn()
        failed = read(one)
        assert (failed.state, failed.failures, failed.cursor, made()) == (State.RUNNING, 1, None, 0)
        assert failed.error == "RuntimeError: no luck" and failed.due_at > ago(0)
        for _ in PAUSES:
            make_due(one)
            assert worker.turn()
        given_up = read(one)
        assert (given_up.state, given_up.done, made()) == (State.FAILED, 0, 0)
        assert given_up.error == "Given up after 3 failures of one step. The last: RuntimeError: no luck"
        assert given_up.ended_at
        make_due(one)
        assert not worker.turn()

    def test_a_step_that_works_forgets_the_failures(self) -> None:
        one, worker = job(5), runner(Naming(RuntimeError("no luck")))
        worker.turn()
        make_due(one)
        worker.turn()
        assert (read(one).failures, read(one).error, read(one).cursor) == (0, "", 2)

    def test_an_outage_of_the_database_counts_nothing(self) -> None:
        one, worker = job(5), runner(Naming(*(OperationalError("server closed the connection") for _ in range(5))))
        for _ in range(5):
            with pytest.raises(OperationalError):
                worker.turn()
        assert (read(one).failures, made()) == (0, 0)
        assert worker.turn(), "the runner waits for its own lease"
        assert read(one).cursor == 2

    def test_a_row_that_is_there_already_is_a_failure_that_quotes_nothing(self) -> None:
        Category.objects.create(name="name 1")
        one = job(5)
        assert runner().turn()
        assert (read(one).failures, made()) == (1, 1)
        assert read(one).error and "name 1" not in read(one).error


@pytest.mark.django_db
class TestLeases:
    def test_a_leased_job_is_nobody_elses_until_the_lease_passes(self) -> None:
        one = job(5)
        assert job_rows.take("somebody", ["naming"], 60.0)
        assert not runner().turn()
        Job.objects.filter(pk=one.pk).update(lease_until=ago(1))
        assert runner().turn()
        assert read(one).cursor == 2

    def test_a_runner_that_lost_its_lease_changes_nothing(self) -> None:
        one, slow, other = job(5), runner(), runner()
        assert job_rows.take(slow._owner, ["naming"], -1.0)
        assert other.turn()
        with pytest.raises(LeaseLost):
            slow._step(Naming(), one.pk)
        with pytest.raises(LeaseLost):
            job_rows.note_failure(one.pk, slow._owner, "too late", PAUSES)
        assert (read(one).cursor, read(one).failures, made()) == (2, 0, 2)

    def test_the_work_of_a_step_is_undone_where_the_job_is_gone_at_its_end(self) -> None:
        class Losing(Naming):
            def step(self, job: Job, cursor: Any) -> Step:
                done = super().step(job, cursor)
                Job.objects.filter(pk=job.pk).update(owner="somebody")
                return done

        one = job(5)
        assert runner(Losing()).turn()
        assert (read(one).cursor, made()) == (None, 0)


@pytest.mark.django_db
class TestVerbs:
    def test_pause_resume_and_cancel_are_recorded(self) -> None:
        one, worker = job(5), runner()
        worker.turn()
        assert job_rows.change("pause", [one.pk], "ben") == 1
        assert read(one).state == State.PAUSED and not worker.turn()
        assert job_rows.change("resume", [one.pk], "ben") == 1
        assert worker.turn() and read(one).cursor == 4
        assert job_rows.change("cancel", [one.pk], "ben") == 1
        assert read(one).state == State.CANCELLED and read(one).ended_at and not worker.turn()
        actions = StaffAction.objects.order_by("id").values_list("actor", "action", "target")
        assert list(actions) == [("ben", f"{verb}-job", f"job {one.pk}") for verb in ("pause", "resume", "cancel")]

    def test_what_has_ended_is_left_alone(self) -> None:
        one, worker = job(1), runner()
        worker.turn()
        for verb in job_rows.VERBS:
            assert job_rows.change(verb, [one.pk], "ben") == 0
        assert read(one).state == State.DONE and not StaffAction.objects.exists()

    def test_a_failed_job_goes_on_from_its_cursor(self) -> None:
        one, worker = job(5), runner()
        worker.turn()
        Job.objects.filter(pk=one.pk).update(state=State.FAILED, error="why", failures=3, ended_at=Now())
        assert job_rows.change("resume", [one.pk], "ben") == 1
        assert (read(one).error, read(one).failures, read(one).ended_at) == ("", 0, None)
        assert worker.turn() and read(one).cursor == 4

    def test_a_runner_whose_job_was_paused_undoes_its_step(self) -> None:
        one, slow = job(5), runner()
        job_rows.take(slow._owner, ["naming"], 60.0)
        job_rows.change("pause", [one.pk], "ben")
        with pytest.raises(LeaseLost):
            slow._step(Naming(), one.pk)
        assert (read(one).state, made()) == (State.PAUSED, 0)


@pytest.mark.django_db
class TestPeriods:
    def test_one_for_each_period(self) -> None:
        hourly = timedelta(hours=1)
        assert job_rows.create_for_period("naming", hourly)
        assert not job_rows.create_for_period("naming", hourly)
        Job.objects.update(state=State.DONE)
        assert not job_rows.create_for_period("naming", hourly), "two in one period"
        Job.objects.update(key="naming of another hour")
        assert job_rows.create_for_period("naming", hourly)

    def test_none_while_an_earlier_one_is_paused(self) -> None:
        job_rows.create_for_period("naming", timedelta(hours=1))
        Job.objects.update(state=State.PAUSED, key="naming of another hour")
        assert not job_rows.create_for_period("naming", timedelta(hours=1))

    def test_a_runner_begins_what_has_a_period(self) -> None:
        kind = Naming()
        runner(kind).begin_periodic()
        assert not Job.objects.exists()
        kind.every = timedelta(days=1)
        runner(kind).begin_periodic()
        assert Job.objects.get().actor == job_rows.SCHEDULER


@pytest.fixture
def started() -> Iterator[list[Runner]]:
    """Runners in threads of their own; stopped at the end of the test."""
    runners: list[Runner] = []
    yield runners
    for one in runners:
        one.stop()
        assert not one._thread.is_alive()
        one.check()


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_several_runners_share_the_jobs_and_do_everything_once(self, started: list[Runner]) -> None:
        jobs = [job_rows.create("naming", "ann", parameters={"names": 40})]
        started += [runner(), runner(), runner()]
        for one in started:
            one.start()
        wait_until(lambda: read(jobs[0]).state == State.DONE, what="the job is done")
        assert (read(jobs[0]).done, made(), read(jobs[0]).failures) == (40, 40, 0)

    def test_of_two_who_take_one_job_one_has_it(self) -> None:
        job(5)
        taken = in_threads(*(lambda n=n: job_rows.take(f"owner {n}", ["naming"], 60.0) for n in range(4)))
        assert len([one for one in taken if one]) == 1

    def test_of_two_who_begin_a_period_one_does(self) -> None:
        made = in_threads(*(lambda: job_rows.create_for_period("naming", timedelta(days=1)) for _ in range(4)))
        assert Job.objects.count() == 1 and any(made)

    def test_a_scheduler_runs_jobs_beside_its_rounds_and_says_how_many_there_are(self) -> None:
        one = job(3)
        scheduler = Scheduler(EmbeddedBroker(), NO_HOOKS, kinds={"naming": Naming()})

        def stop_when_done() -> None:
            wait_until(lambda: read(one).state == State.DONE, what="the job is done")
            scheduler.stop()

        in_threads(scheduler.run, stop_when_done)
        assert not scheduler._jobs._thread.is_alive()
        scheduler.round()
        assert metrics.jobs.labels("naming", "failed")._value.get() == 0
        assert {state for (_, state) in job_rows.by_state(["naming"])} == set(State.values)

    def test_a_scheduler_does_not_go_on_where_its_runner_ended(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any, **__: Any) -> None:
            raise ValueError("a bug")

        monkeypatch.setattr(job_rows, "take", broken)
        with pytest.raises(RuntimeError, match="runner of jobs"):
            Scheduler(EmbeddedBroker(), NO_HOOKS, kinds={"naming": Naming()}).run()
